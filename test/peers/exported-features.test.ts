import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import * as tf from '@tensorflow/tfjs'
import { featuresFromJSON, field, run, type FittedFeatures } from '@millrace/core'
import { exportSavedModel, loadSavedModel } from '@millrace/export'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'
import { peerPython } from '../support/python.js'

const texts = ['CA', 'TX', '東京', '', ' ', 'ca', 'unknown', '[MASK]', '🛫', 'a\u0000b', '\u0000', '\ufeffCA', 'é'.repeat(100), 'e\u0301', 'é']
const tokens = ['TX', '東京', 'CA', 'a\u0000b', '\ufeffCA', ' ', 'é', '🛫']
const boundaries = [-1000, -1, 0, 0.1, 15].map(Math.fround)
const numbers = [NaN, Infinity, -Infinity, -0, 0, 0.1, Math.fround(0.1), 15, 14.999999, -1000, -1000.0001, 1e30, -1e-30, 16777217, 3]
const integers = ['0', '-1', '1', '42', '-9223372036854775808', '9223372036854775807', '2147483647', '-2147483648', '4294967296', '9007199254740993', `${2n ** 60n + 2n ** 36n + 1n}`, '-978310020001', '978310020000000', '-1000000001', '-86400000']

interface Plain {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly values: readonly (string | number)[]
}
type Outputs = Readonly<Record<string, Plain>>
interface Answers {
  readonly keras: Outputs
  readonly exported: Readonly<Record<string, Outputs>>
  readonly strange: { readonly v1: Outputs; readonly v2: Outputs; readonly inputs: readonly string[] }
}

const lookups = [null, '', '[MASK]'].flatMap((maskToken, m) => [1, 3].map((oovBuckets) => ({ name: `lookup_${m}_${oovBuckets}`, maskToken, oovBuckets, tokens })))
const units = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 } as const
const instants = (Object.keys(units) as (keyof typeof units)[]).map((unit) => ({ unit, from: `instant_${unit}`, input: field.timestamp({ unit }) }))
const raw = { text: field.utf8(), number: field.float32(), integer: field.int64() }
const stated = (name: string, kind: string, from: keyof typeof raw, params: object, state: object | null = null) =>
  ({ name, kind, from, role: 'input', params, state, input: raw[from], output: field.int32() })
const described = (list: readonly object[]): FittedFeatures => featuresFromJSON({ format: 'millrace.features', version: 1, rows: 1, features: list })

const scaling = { mean: 12.5, variance: 740000.25 }
const inputs = described([
  ...lookups.map(({ name, maskToken, oovBuckets }) => stated(name, 'vocabulary', 'text', { maskToken, oovBuckets }, { tokens })),
  stated('hashed', 'hashBucket', 'text', { buckets: 97 }),
  stated('hashed_integer', 'hashBucket', 'integer', { buckets: 97 }),
  stated('scaled', 'standardize', 'number', {}, scaling),
  stated('scaled_integer', 'standardize', 'integer', {}, { mean: 0.5, variance: 4 }),
  ...instants.flatMap(({ unit, ...column }) => ['hourOfDay', 'dayOfWeek'].map((kind) => ({ ...stated(`${kind === 'hourOfDay' ? 'hour' : 'weekday'}_${unit}`, kind, 'integer', {}), ...column }))),
  stated('constant', 'standardize', 'number', {}, { mean: 3, variance: 0 }),
  stated('bucket', 'bucketize', 'number', { boundaries }, { boundaries }),
])

/** As float32, in which they were printed. */
const asNumbers = ({ values }: Plain): readonly number[] => values.map((value) => Math.fround(Number(String(value).replace('inf', 'Infinity'))))

/** The same integers; floats to their last bit or two, since TensorFlow's graphs multiply by the inverse of what they would divide by. */
const expectSame = (name: string, ours: Plain, theirs: Plain): void => {
  if (!theirs.dtype.startsWith('float')) return expect([name, ours.values]).toEqual([name, theirs.values])
  const expected = asNumbers(theirs)
  asNumbers(ours).forEach((value, row) => {
    const same = Object.is(value, expected[row]) || Math.abs(value - expected[row]!) <= 2.4e-7 * Math.abs(expected[row]!)
    expect(same, `${name}, row ${row}: ${value}, not ${expected[row]}`).toBe(true)
  })
}

/** Every feature, as it is, under its own name. */
const through = (features: FittedFeatures, names = Object.keys(features.features)): tf.LayersModel => {
  const ports = names.map((name) => tf.input({ name: `${name}`, shape: [1], dtype: features.output[name]!.kind as 'int32' }))
  return tf.model({ inputs: ports, outputs: ports.map((port, index) => tf.layers.activation({ activation: 'linear', name: `out_${index}` }).apply(port) as tf.SymbolicTensor) })
}

describePeer('exported features, against Keras layers', 'tensorflow', () => {
  let folder = ''
  let url = ''
  let answers: Answers
  const names = Object.keys(inputs.features)

  // Names that clash with nodes and with each other, and that mean something in JavaScript; columns whose names no node can have.
  const strangeNames = ['examples', 'save', 'outputs', 'Examples', 'a/b', 'a', 'constructor', 'a//b', 'initialize_tables', '1', 'end/', 'features', 'inputs/a', 'vocabulary/a', 'x.-']
  const strangeSources = ['a b', 'größe', 'back\\slash', 'save', '_x', 'Save', '/root', 'toString', 'a>c', ' ', 'a\u0000d', 'examples', 'from_examples', 'a/e', '日本']
  const strangeFeatures = featuresFromJSON({
    format: 'millrace.features', version: 1, rows: 1,
    features: strangeNames.map((name, index) => ({
      name, kind: 'vocabulary', from: strangeSources[index]!, role: 'input', params: { maskToken: null, oovBuckets: 1 }, state: { tokens: index % 2 === 0 ? ['same', 'tokens'] : [`only${index}`] }, input: field.utf8(), output: field.int32(),
    })),
  })
  const strangeColumns = Object.fromEntries(strangeSources.map((name, index) => [name, ['tokens', `only${index}`, 'else']]))

  beforeAll(async () => {
    await tf.setBackend('cpu')
    folder = await mkdtemp(join(tmpdir(), 'millrace-exported-features-'))
    url = join(folder, 'features', '1')
    await run(exportSavedModel(through(inputs), url, { inputs }))

    const ports = strangeNames.map((name) => tf.input({ name, shape: [1], dtype: 'int32' }))
    const embedded = ports.map((port, index) => tf.layers.embedding({ inputDim: 3, outputDim: 1, name: `${strangeNames[index]}/layer` }).apply(port) as tf.SymbolicTensor)
    const strange = tf.model({ inputs: ports, outputs: embedded.map((one, index) => tf.layers.flatten({ name: `${strangeNames[index]}_out` }).apply(one) as tf.SymbolicTensor) })
    strange.setWeights(strange.getWeights().map((_, index) => tf.tensor2d([[index], [index + 0.25], [index + 0.5]])))
    const strangeUrl = join(folder, 'strange')
    await run(exportSavedModel(strange, strangeUrl, { inputs: strangeFeatures }))

    const question = {
      texts, numbers: numbers.map((value) => String(value).replace('Infinity', 'inf')), integers, lookups, buckets: 97, boundaries, ...scaling, units,
      strange: { url: strangeUrl, columns: strangeColumns, dtypes: Object.fromEntries(strangeSources.map((name) => [name, 'string'])) },
    }
    const output = await runPython(fileURLToPath(new URL('exported-features.py', import.meta.url)), { args: [folder], input: JSON.stringify(question), timeoutMs: 110_000 })
    answers = JSON.parse(output) as Answers
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it.each(['tf.saved_model.load', 'examples', 'TFSMLayer', 'TFSMLayer, by name', 'v1'])('give what StringLookup, Hashing, Normalization and Discretization give, by %s', (way) => {
    for (const [index, name] of names.entries()) {
      const exported = answers.exported[way]![`out_${index}`]!
      expect([name, exported.shape]).toEqual([name, [texts.length, 1]])
      expectSame(name, exported, answers.keras[name]!)
    }
  })

  it('take no rows and one row', () => {
    for (const [index, name] of names.entries()) {
      expect([name, answers.exported['no rows']![`out_${index}`]]).toMatchObject([name, { shape: [0, 1], values: [] }])
      expect([name, answers.exported['one row']![`out_${index}`]]).toMatchObject([name, { shape: [1, 1], values: [answers.exported['v1']![`out_${index}`]!.values[0]] }])
    }
  })

  it('give the same in this process', async () => {
    const predictor = await run(loadSavedModel(url, { runtime: 'javascript' }))
    const ours = await run(predictor.predict({ text: texts, number: numbers, integer: integers.map(BigInt), ...Object.fromEntries(instants.map(({ from }) => [from, integers.map(BigInt)])) }))
    for (const [index, name] of names.entries()) {
      expect([name, Array.from(ours[`out_${index}`]!.values as ArrayLike<number>)]).toEqual([name, asNumbers(answers.keras[name]!)])
    }
    const none = await run(predictor.predict({ text: [], number: new Float32Array(0), integer: new BigInt64Array(0), ...Object.fromEntries(instants.map(({ from }) => [from, []])) }))
    expect(none['out_0']).toMatchObject({ shape: [0, 1] })
    predictor.dispose()
  })

  it('may have any names', () => {
    expect(answers.strange.inputs).toEqual([...strangeSources].sort())
    for (const way of ['v1', 'v2'] as const) {
      strangeNames.forEach((name, index) => {
        const expected = index % 2 === 0 ? [index + 0.5, index, index] : [index, index + 0.25, index]
        expect([name, answers.strange[way][`${name}_out`]?.values.map(Number)]).toEqual([name, expected])
      })
    }
  })

  it('are shown and run by saved_model_cli', async () => {
    const cli = join(dirname(peerPython()), 'saved_model_cli')
    const saved = promisify(execFile)
    const shown = (await saved(cli, ['show', '--dir', url, '--all'])).stdout
    expect(shown).toMatch(/signature_def\['serving_default'\]/)
    expect(shown).toMatch(/inputs\['integer'\] tensor_info:\s+dtype: DT_INT64\s+shape: \(-1\)/)
    expect(shown).toMatch(/signature_def\['serving_examples'\]/)
    const ran = (await saved(cli, ['run', '--dir', url, '--tag_set', 'serve', '--signature_def', 'serving_default', '--input_exprs', 'text=[b"TX", b"?"];number=[3.0, 15.0];integer=[1, 2];instant_s=[1, 2];instant_ms=[1, 2];instant_us=[1, 2];instant_ns=[1, 2]'])).stdout
    expect(ran).toMatch(/Result for output key out_0:\s+\[\[1\]\s+\[0\]\]/)
  })
})
