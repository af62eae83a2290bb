import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  dayOfWeek, features, featuresFromJSON, field, fingerprint64, fromRows, greaterThan, hashBucket, hourOfDay, oneHot, rows, run,
  standardize, vocabulary, type Field, type FittedFeatures, type Json, type Stream,
} from '@millrace/core'
import { readCsv } from '@millrace/formats'
import { beforeAll, expect, it } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'

const airportsFile = fileURLToPath(new URL('../../node_modules/vega-datasets/data/airports.csv', import.meta.url))
const airports = readCsv(airportsFile, {
  schema: { iata: field.utf8(), name: field.utf8(), city: field.utf8(), state: field.utf8(), country: field.utf8() },
})

const lookedUp = [
  'CA', 'TX', 'New York', 'Zürich', 'São Paulo', '東京', '', ' ', 'ca', 'NA', '[MASK]', '🛫', 'a\u0000b', 'x'.repeat(20), 'y'.repeat(50), 'é'.repeat(100),
]
const alphabet = Array.from('aé漢🛬zQ7 -b')
const lengths = Array.from({ length: 300 }, (_, n) => Array.from({ length: n }, (_, i) => alphabet[(i * 7 + n) % alphabet.length]).join(''))
  .concat(Array.from({ length: 150 }, (_, n) => 'abcdefghij'.repeat(15).slice(0, n)))
const integers = ['0', '-1', '42', '-9223372036854775808', '9223372036854775807', '1234567890123']

/** A generator of the same numbers everywhere. */
const noise = (count: number): readonly number[] => {
  let state = 12345
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return Math.fround((state / 2 ** 32 - 0.5) * 3000)
  })
}
const boundaries = [-1000, -1, 0, 0.1, 15, 500.5].map(Math.fround)
const finite = [...noise(500), ...boundaries, -0, 1e-30, 1e30, 16777217].map(Math.fround)
const numbers = [...finite, NaN, Infinity, -Infinity]
const number = { mean: 12.5, variance: 740000.25, min: -1500, max: 1499.75, threshold: 15 }

const instants = (unit: number): readonly string[] =>
  [-1n, 0n, 1n, 3599n, 3600n, 86399n, 86400n, 978310020n, -86401n, 4102444799n].flatMap((seconds) => {
    const exact = seconds * BigInt(unit)
    return [`${exact}`, `${exact - 1n}`, `${exact + BigInt(unit) - 1n}`]
  })
const units = [['s', 1], ['ms', 1e3], ['us', 1e6], ['ns', 1e9]] as const

interface Answers {
  airports: Record<string, { all: string[]; top: string[]; frequent: string[] }>
  stringLookup: { indices: number[]; cardinality: number }[]
  tables: { size: number; indices: number[] }[]
  hashing: { hashes: string[]; buckets: Record<string, number[]>; integers: Record<string, number[]>; fast: Record<string, number[]> }
  numbers: Record<'adapted' | 'exact' | 'normalized' | 'discretized' | 'bucketized' | 'scaled' | 'sigmoid' | 'greater', (number | string)[]>
  times: { hours: number[]; days: number[] }[]
  oneHot: number[][]
}

const column = (kind: Field, values: readonly unknown[]): Stream<Record<string, Field>, 'cold'> =>
  fromRows({ x: kind } as Record<string, Field>, values.map((x) => ({ x })), { batchRows: 100 })

const applied = async (inputs: FittedFeatures, stream: Stream): Promise<readonly unknown[]> => {
  const out: unknown[] = []
  for await (const row of rows(inputs.apply(stream))) out.push((row as Record<string, unknown>)['x'])
  return out
}

/** A feature with the state that the peer was given too. */
const withState = (kind: string, params: Json, state: Json): FittedFeatures =>
  featuresFromJSON({
    format: 'millrace.features', version: 1, rows: 0,
    features: [{ kind, name: 'x', from: 'x', role: 'input', params, state, input: kind === 'vocabulary' ? field.utf8() : field.float32(), output: kind === 'standardize' || kind === 'minMax' ? field.float32() : field.int32() }],
  })

describePeer('features, against TensorFlow and Keras', 'tensorflow', () => {
  let answers: Answers
  const lookups = [null, '', '[MASK]'].flatMap((maskToken) => [1, 3].map((oovBuckets) => ({ maskToken, oovBuckets })))
  const byState = features({ state: vocabulary(), city: vocabulary({ oovBuckets: 5 }), country: vocabulary(), name: vocabulary() })
  let fitted: FittedFeatures
  const buckets = [1, 2, 10, 1000, 2 ** 31 - 1]

  beforeAll(async () => {
    fitted = await run(byState.fit(airports)) as FittedFeatures
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'))
    const { files } = await run(fitted.writeVocabularies(folder))
    const question = {
      airports: airportsFile,
      stringLookup: { values: lookedUp, cases: lookups.map((lookup) => ({ ...lookup, tokens: fitted.vocabulary('state') })) },
      tables: files.map(({ url }) => ({ file: url, oovBuckets: 5, values: lookedUp })),
      hashing: { texts: lengths, integers, buckets },
      numbers: { values: numbers.map((x) => (Number.isFinite(x) ? x : String(x).replace('Infinity', 'inf'))), boundaries, ...number },
      times: units.map(([, perSecond]) => ({ instants: instants(perSecond), unitsPerHour: 3600 * perSecond })),
      oneHot: { indices: [0, 1, 3, 4, -1, 100], depth: 4 },
    }
    answers = JSON.parse(await runPython(fileURLToPath(new URL('features.py', import.meta.url)), { input: JSON.stringify(question) })) as Answers
  })

  it('fits the vocabularies of the real airports by the rules of TensorFlow Transform', async () => {
    const options = { all: {}, top: { topK: 20 }, frequent: { minFrequency: 3 } } as const
    for (const name of ['state', 'city', 'country', 'name'] as const) {
      for (const choice of ['all', 'top', 'frequent'] as const) {
        const inputs = await run(features({ x: vocabulary({ ...options[choice], from: name }) }).fit(airports))
        expect([name, choice, inputs.vocabulary('x')]).toEqual([name, choice, answers.airports[name]![choice]])
      }
    }
    expect(answers.airports['city']!.all.length).toBeGreaterThan(2000)
  })

  it('looks strings up as StringLookup, with and without a mask', async () => {
    const tokens = fitted.vocabulary('state')
    for (const [i, { maskToken, oovBuckets }] of lookups.entries()) {
      const inputs = withState('vocabulary', { oovBuckets, maskToken }, { tokens })
      expect(await applied(inputs, column(field.utf8(), lookedUp))).toEqual(answers.stringLookup[i]!.indices)
      const refitted = await run(features({ x: vocabulary({ from: 'state', oovBuckets, maskToken }) }).fit(airports))
      expect(refitted.cardinality('x')).toBe(answers.stringLookup[i]!.cardinality)
    }
  })

  it('writes vocabulary files that TensorFlow reads as tables', async () => {
    for (const [i, name] of ['state', 'city', 'country', 'name'].entries()) {
      const { size, indices } = answers.tables[i]!
      const tokens = fitted.vocabulary(name)
      expect(size - 5).toBe(tokens.length)
      // A StaticVocabularyTable has its buckets after the tokens, Keras and we before.
      const ours = await applied(withState('vocabulary', { oovBuckets: 5, maskToken: null }, { tokens }), column(field.utf8(), lookedUp)) as number[]
      expect(ours.map((index) => (index < 5 ? tokens.length + index : index - 5))).toEqual(indices)
    }
  })

  it('hashes as Farmhash does in TensorFlow', async () => {
    expect(lengths.map((text) => `${fingerprint64(text)}`)).toEqual(answers.hashing.hashes)
    for (const n of buckets) {
      const texts = column(field.utf8(), lengths)
      const inputs = await run(features({ x: hashBucket({ buckets: n }) }).fit(texts)) as FittedFeatures
      expect(await applied(inputs, texts)).toEqual(answers.hashing.buckets[n])
      expect(await applied(inputs, texts)).toEqual(answers.hashing.fast[n])
      expect(await applied(inputs, column(field.int64(), integers.map(BigInt)))).toEqual(answers.hashing.integers[n])
    }
  })

  it('scales numbers as Normalization and scale_to_0_1', async () => {
    const x = column(field.float32(), numbers)
    const asNumbers = (values: readonly (number | string)[]): readonly number[] => values.map(Number)
    expect(await applied(withState('standardize', {}, { mean: number.mean, variance: number.variance }), x)).toEqual(asNumbers(answers.numbers.normalized))
    expect(await applied(withState('minMax', {}, { min: number.min, max: number.max }), x)).toEqual(asNumbers(answers.numbers.scaled))
    const sigmoid = await applied(withState('minMax', {}, { min: 3, max: 3 }), x) as number[]
    sigmoid.forEach((value, i) => {
      const expected = Number(answers.numbers.sigmoid[i])
      expect(Number.isNaN(expected) ? Number.isNaN(value) : Math.abs(value - expected) <= 1e-7).toBe(true)
    })
  })

  it('fits mean and variance as Normalization adapts to them', async () => {
    const { features: { x } } = await run(features({ x: standardize() }).fit(column(field.float32(), numbers) as never)) as FittedFeatures<{ x: never }>
    const state = x.state as { readonly mean: number; readonly variance: number }
    const [mean, variance] = answers.numbers.exact as number[]
    expect(Math.abs(state.mean / mean! - 1)).toBeLessThan(1e-12)
    expect(Math.abs(state.variance / variance! - 1)).toBeLessThan(1e-12)
    // Keras sums in float32.
    expect(Math.abs(state.mean / Number(answers.numbers.adapted[0]) - 1)).toBeLessThan(1e-5)
  })

  it('finds buckets as Discretization and Bucketize', async () => {
    const found = await applied(withState('bucketize', { boundaries }, { boundaries }), column(field.float32(), numbers))
    expect(found).toEqual(answers.numbers.bucketized)
    expect(found).toEqual(answers.numbers.discretized)
  })

  it('compares with a threshold', async () => {
    const x = column(field.float32(), numbers)
    const inputs = await run(features({ x: greaterThan(number.threshold) }).fit(x)) as FittedFeatures
    expect(await applied(inputs, x)).toEqual(answers.numbers.greater)
  })

  it('takes hours and days of the week as the graph does', async () => {
    for (const [i, [unit, perSecond]] of units.entries()) {
      const x = column(field.timestamp({ unit }), instants(perSecond).map(BigInt))
      expect(await applied(await run(features({ x: hourOfDay() }).fit(x)) as FittedFeatures, x)).toEqual(answers.times[i]!.hours)
      expect(await applied(await run(features({ x: dayOfWeek() }).fit(x)) as FittedFeatures, x)).toEqual(answers.times[i]!.days)
    }
  })

  it('writes an index as one_hot', async () => {
    const x = column(field.int32(), [0, 1, 3, 4, -1, 100])
    const inputs = await run(features({ x: oneHot({ depth: 4 }) }).fit(x)) as FittedFeatures
    expect(await applied(inputs, x)).toEqual(answers.oneHot)
  })
})
