import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { features, field, fixedColumn, fromRows, hourOfDay, oneHot, registerFeatureKind, run, standardize, vocabulary, type Column, type Feature } from '@millrace/core'
import { describeModel, exportFrozenGraph, exportSavedModel, loadFrozenGraph, loadSavedModel, lower, readCheckpoint, readModel, readSavedModel, registerFeatureLowering } from '@millrace/export'

const flight = { origin: field.utf8(), date: field.timestamp(), distance: field.float32() }
const flights = fromRows(flight, [
  { origin: 'SFO', date: new Date('2001-01-01T00:47:00Z'), distance: 100 },
  { origin: 'JFK', date: new Date('2001-01-02T23:59:00Z'), distance: 900 },
  { origin: 'SFO', date: new Date('1969-12-31T21:00:00Z'), distance: 400 },
])

const spec = features({ origin: vocabulary({ oovBuckets: 2 }), hour: hourOfDay({ from: 'date' }), distance: standardize(), hot: oneHot(vocabulary({ from: 'origin' })) })

const buildModel = (): tf.LayersModel => {
  const ports = [tf.input({ name: 'origin', shape: [1] }), tf.input({ name: 'hour', shape: [1] }), tf.input({ name: 'distance', shape: [1] }), tf.input({ name: 'hot', shape: [3] })]
  const embedded = ports.slice(0, 2).map((port, index) =>
    tf.layers.flatten().apply(tf.layers.embedding({ inputDim: index === 0 ? 4 : 24, outputDim: 2, embeddingsInitializer: tf.initializers.randomUniform({ seed: index }) }).apply(port))) as tf.SymbolicTensor[]
  const joined = tf.layers.concatenate().apply([...embedded, ...ports.slice(2)]) as tf.SymbolicTensor
  const hidden = tf.layers.dense({ units: 4, activation: 'relu', kernelInitializer: tf.initializers.glorotNormal({ seed: 5 }) }).apply(joined) as tf.SymbolicTensor
  const late = tf.layers.dense({ units: 1, activation: 'sigmoid', name: 'late', kernelInitializer: tf.initializers.glorotNormal({ seed: 6 }) }).apply(tf.layers.dropout({ rate: 0.3 }).apply(hidden)) as tf.SymbolicTensor
  return tf.model({ inputs: ports, outputs: late })
}

describe('exports', () => {
  let folder = ''
  let model: tf.LayersModel
  beforeAll(async () => {
    await tf.setBackend('cpu')
    folder = await mkdtemp(join(tmpdir(), 'millrace-exports-'))
    model = buildModel()
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  test('what is exported predicts in this process as the model and its features do', async () => {
    const inputs = await run(spec.fit(flights))
    const rows = [
      { origin: 'JFK', date: new Date('2010-05-05T05:05:00Z'), distance: 123.25 },
      { origin: 'nowhere', date: new Date('1960-01-01T23:00:00Z'), distance: -4 },
    ]
    const batches = []
    for await (const batch of inputs.apply(fromRows(flight, rows))) batches.push(batch)
    const batch = batches[0]!
    const tensor = (name: keyof typeof batch.schema): tf.Tensor => tf.tensor2d(rows.map((_, index) => [batch.row(index)[name]].flat() as number[]))
    const expected = Array.from((model.predict([tensor('origin'), tensor('hour'), tensor('distance'), tensor('hot')]) as tf.Tensor).dataSync())
    const raw = { origin: rows.map(({ origin }) => origin), date: BigInt64Array.from(rows, ({ date }) => BigInt(date.getTime())), distance: Float32Array.from(rows, ({ distance }) => distance) }
    const close = (values: ArrayLike<unknown>): void => {
      expect(values).toHaveLength(2)
      expected.forEach((value, index) => expect(values[index]).toBeCloseTo(value, 5))
    }

    const report = await run(exportSavedModel(model, join(folder, 'served', '1'), { inputs }))
    const predictor = await run(loadSavedModel(report.url, { runtime: 'javascript' }))
    close((await run(predictor.predict(raw)))['late']!.values)

    const frozen = await run(exportFrozenGraph(model, join(folder, 'frozen.pb'), { inputs }))
    const graph = await run(loadFrozenGraph(frozen.url, frozen))
    close((await run(graph.predict(raw)))['late']!.values)
  })

  test('the checkpoint holds the weights under their names', async () => {
    await run(exportSavedModel(model, join(folder, 'weights')))
    const checkpoint = await run(readCheckpoint(join(folder, 'weights', 'variables', 'variables')))
    expect([...checkpoint.keys()].sort()).toEqual(model.weights.map(({ originalName }) => originalName).sort())
    for (const weight of model.weights) expect(Array.from(checkpoint.get(weight.originalName)!.data as Float32Array)).toEqual(Array.from(weight.read().dataSync()))
  })

  test('an export that exists is kept, or replaced whole', async () => {
    const url = join(folder, 'twice')
    await run(exportSavedModel(model, url))
    await expect(run(exportSavedModel(model, url))).rejects.toMatchObject({ _tag: 'AlreadyExists' })
    await run(exportSavedModel(model, url, { ifExists: 'replace', signatures: ['serving_default'] }))
    expect((await readdir(url)).sort()).toEqual(['saved_model.pb', 'variables'])
    await expect(run(exportFrozenGraph(model, join(url, 'saved_model.pb')))).rejects.toMatchObject({ _tag: 'AlreadyExists' })
  })

  test('an export that fails or is aborted leaves nothing', async () => {
    const unsupported = tf.sequential({ layers: [tf.layers.conv3d({ filters: 1, kernelSize: 2, inputShape: [4, 4, 4, 1] })] })
    await expect(run(exportSavedModel(unsupported, join(folder, 'failed')))).rejects.toMatchObject({ _tag: 'Model', code: 'LOWER_UNSUPPORTED_LAYER' })
    const stop = new AbortController()
    const aborted = run(exportSavedModel(model, join(folder, 'failed')), { signal: stop.signal, progress: () => stop.abort() })
    await expect(aborted).rejects.toMatchObject({ _tag: 'Aborted' })
    expect((await readdir(folder)).filter((name) => name.includes('failed'))).toEqual([])
  })

  test('a model that takes sequences of any length has no signature for examples, and the report says why', async () => {
    const words = tf.sequential({ layers: [tf.layers.embedding({ inputDim: 5, outputDim: 2, name: 'words' }), tf.layers.dense({ units: 3 })] })
    const report = await run(exportSavedModel(words, join(folder, 'words')))
    expect(Object.keys(report.signatures)).toEqual(['serving_default'])
    expect(report.notes).toEqual(['it takes no examples: the shape of the input "words_input" is not known before it runs'])
    expect(report.signatures['serving_default']?.outputs).toMatchObject({ [words.layers[1]!.name]: { shape: [null, null, 3] } })
    await expect(run(exportSavedModel(words, join(folder, 'none'), { signatures: ['serving_examples'] }))).rejects.toThrow(/there can be no signature serving_examples/)
  })

  test('a kind of feature of the user needs a lowering, and is then exported', async () => {
    registerFeatureKind({
      kind: 'inVocabulary',
      takes: ['utf8'],
      describe: () => ({ output: field.int32() }),
      compile: ({ params }) => (column: Column) => fixedColumn(field.int32(), Int32Array.from(column.toArray(), (text) => (params as string[]).indexOf(text as string))),
    })
    const inVocabulary = (tokens: readonly string[]): Feature => ({ kind: 'inVocabulary', from: 'origin', role: 'input', params: tokens, inner: undefined })
    const inputs = await run(features({ rank: inVocabulary(['SFO', 'ÿ']), again: inVocabulary(['JFK']) }).fit(flights as never))
    const ports = ['rank', 'again'].map((name) => tf.input({ name, shape: [1], dtype: 'int32' }))
    const through = tf.model({ inputs: ports, outputs: ports.map((port) => tf.layers.activation({ activation: 'linear', name: `${port.name}_out` }).apply(port) as tf.SymbolicTensor) })
    await expect(run(exportSavedModel(through, join(folder, 'own'), { inputs }))).rejects.toMatchObject({ code: 'LOWER_UNSUPPORTED_FEATURE', message: expect.stringContaining('registerFeatureLowering()') as string })
    const lowering = { lower: ({ feature, rank }: { feature: { params: unknown }; rank: (tokens: readonly string[], texts: never) => never }, raw: never) => rank(feature.params as string[], raw) }
    registerFeatureLowering('inVocabulary', lowering as never)
    expect(() => registerFeatureLowering('inVocabulary', lowering as never)).toThrow(/inVocabulary have a lowering already/)
    expect(() => registerFeatureLowering('vocabulary', lowering as never)).toThrow(/have a lowering already/)
    const report = await run(exportSavedModel(through, join(folder, 'own'), { inputs }))
    expect(report.vocabularies).toEqual({ rank: 2, again: 1 })
    const answer = await run((await run(loadSavedModel(report.url, { runtime: 'javascript' }))).predict({ origin: ['ÿ', 'SFO', 'JFK', ''] }))
    expect([answer['rank_out'], answer['again_out']].map((output) => Array.from(output!.values as Int32Array))).toEqual([[1, 0, -1, -1], [-1, -1, 0, -1]])
  })

  test('lowering and exporting leave the model as it was and give the same bytes each time', async () => {
    const before = JSON.stringify([model.toJSON(), model.getWeights().map((weight) => Array.from(weight.dataSync()))])
    const tensors = tf.memory().numTensors
    const bytes = async (mode: 'serving' | 'training') => Buffer.from(lower(await readModel(model), { mode, variables: 'variables', examples: true, seed: 7 }).graph.encode())
    expect(await bytes('serving')).toEqual(await bytes('serving'))
    expect(await bytes('training')).toEqual(await bytes('training'))
    const files = ['saved_model.pb', 'variables/variables.index', 'variables/variables.data-00000-of-00001']
    const exported = async (name: string): Promise<readonly Buffer[]> => {
      const { url } = await run(exportSavedModel(model, join(folder, name)))
      return Promise.all(files.map((file) => readFile(join(url, file))))
    }
    expect(await exported('same-1')).toEqual(await exported('same-2'))
    expect(tf.memory().numTensors).toBe(tensors)
    expect(JSON.stringify([model.toJSON(), model.getWeights().map((weight) => Array.from(weight.dataSync()))])).toBe(before)
  })

  test('several exports under one name at once: one is there, whole', async () => {
    const all = await Promise.allSettled(Array.from({ length: 4 }, () => run(exportSavedModel(model, join(folder, 'at-once')))))
    expect(all.map((one) => (one.status === 'fulfilled' ? 'written' : (one.reason as { code: string }).code)).sort()).toEqual(['OUTPUT_EXISTS', 'OUTPUT_EXISTS', 'OUTPUT_EXISTS', 'written'])
    await Promise.all(Array.from({ length: 4 }, () => run(exportSavedModel(model, join(folder, 'at-once'), { ifExists: 'replace' }))))
    expect((await readdir(folder)).filter((name) => name.includes('at-once'))).toEqual(['at-once'])
    await run(loadSavedModel(join(folder, 'at-once'), { runtime: 'javascript' }))
  })

  test('layers of one name in models within the model, a layer called twice, an output that is an input', async () => {
    const inner = ['first', 'second'].map((name) => tf.sequential({ name, layers: [tf.layers.dense({ units: 2, inputShape: [2], name: 'same', biasInitializer: 'randomNormal' })] }))
    const x = tf.input({ shape: [2], name: 'x' })
    const shared = tf.layers.dense({ units: 2, name: 'shared' })
    const y = inner[1]!.apply(inner[0]!.apply(x)) as tf.SymbolicTensor
    const nested = tf.model({ inputs: x, outputs: [x, y, shared.apply(x) as tf.SymbolicTensor, shared.apply(y) as tf.SymbolicTensor] })
    const report = await run(exportSavedModel(nested, join(folder, 'nested')))
    expect(Object.keys(report.signatures['serving_default']!.outputs)).toEqual(['x', 'second', 'shared', 'shared_1'])
    expect([...(await run(readCheckpoint(join(report.url, 'variables', 'variables')))).keys()].sort()).toEqual(['same/bias', 'same/bias_1', 'same/kernel', 'same/kernel_1', 'shared/bias', 'shared/kernel'])
    const answer = await run((await run(loadSavedModel(report.url, { runtime: 'javascript' }))).predict({ x: [[1, -2], [3, 4]] }))
    const expected = (nested.predict(tf.tensor2d([[1, -2], [3, 4]])) as tf.Tensor[]).map((tensor) => Array.from(tensor.dataSync()))
    Object.values(answer).forEach(({ values }, output) => Array.from(values as Float32Array).forEach((value, at) => expect(value).toBeCloseTo(expected[output]![at]!, 5)))
  })

  test('the graph of a SavedModel can be looked at, and taken out', async () => {
    const { url } = await run(exportSavedModel(model, join(folder, 'looked-at')))
    const { graph, signatures, checkpoint } = await run(readSavedModel(url))
    expect(graph.nodes.find(({ name }) => name === 'outputs/late')).toEqual({ name: 'outputs/late', op: 'Identity', inputs: ['late/Sigmoid'], device: '' })
    expect(graph.functions).toEqual([])
    expect(signatures['serving_default']!.outputs['late']!.tensor).toBe('outputs/late:0')
    expect(checkpoint!.entries.size).toBe(model.weights.length)
    const whole = await readFile(join(url, 'saved_model.pb'))
    expect(whole.includes(Buffer.from(graph.encode()))).toBe(true)
  })

  test('a model that was disposed of is refused', async () => {
    const gone = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] })
    gone.dispose()
    await expect(run(exportSavedModel(gone, join(folder, 'gone')))).rejects.toMatchObject({ _tag: 'Model', code: 'MODEL_VARIABLE' })
  })

  test('the report names what callers may trip over', async () => {
    const columns = { 'a b': field.nullable(field.int32()), 'a/b': field.nullable(field.utf8()), c: field.nullable(field.float32()) }
    const data = fromRows(columns, [{ 'a b': 1, 'a/b': null, c: 2 }, { 'a b': 4, 'a/b': 'x', c: null }])
    const inputs = await run(features({ n: standardize({ from: 'a b' }), t: vocabulary({ from: 'a/b' }), c: standardize() }).fit(data))
    const ports = ['n', 't', 'c'].map((name) => tf.input({ name, shape: [1] }))
    const sum = tf.model({ inputs: ports, outputs: tf.layers.add({ name: 'sum' }).apply(ports) as tf.SymbolicTensor })
    const notes = [expect.stringMatching(/^the column "a b" may be null, but every example has to have it/), expect.stringMatching(/"a b" and "a\/b" are a_b to Python/)]
    expect((await run(exportSavedModel(sum, join(folder, 'notes'), { inputs }))).notes).toEqual(notes)
    expect((await run(exportFrozenGraph(sum, join(folder, 'notes.pb'), { inputs }))).notes).toEqual(notes.slice(0, 1))
    expect((await run(exportFrozenGraph(sum, join(folder, 'notes.pb'), { inputs, examples: false, ifExists: 'replace' }))).notes).toEqual([])
  })

  test('a model that is not built is refused', () => {
    expect(() => describeModel(tf.sequential())).toThrow(/has no inputs or outputs yet/)
  })

  test('a description is plain data: a layer once, its calls in order', () => {
    const x = tf.input({ shape: [2], name: 'x' })
    const shared = tf.layers.dense({ units: 2, name: 'shared' })
    const nested = tf.sequential({ name: 'nested', layers: [tf.layers.dense({ units: 2, inputShape: [2], name: 'within' })] })
    const once = shared.apply(x) as tf.SymbolicTensor
    const twice = shared.apply(nested.apply(once)) as tf.SymbolicTensor
    const { layers, calls, inputs, outputs } = describeModel(tf.model({ inputs: x, outputs: [twice, once] }))
    expect(layers.map(({ name }) => name)).toEqual(['shared', 'within'])
    expect(calls).toEqual([{ layer: 0, inputs: [0], outputs: [1] }, { layer: 1, inputs: [1], outputs: [2] }, { layer: 0, inputs: [2], outputs: [3] }])
    expect(inputs).toEqual([{ name: 'x', dtype: 'float32', shape: [null, 2], value: 0 }])
    expect(outputs.map(({ value }) => value)).toEqual([3, 1])
    expect(JSON.parse(JSON.stringify(layers[0]))).toMatchObject({ className: 'Dense', config: { units: 2 }, weights: [{ key: 'kernel', shape: [2, 2] }, { key: 'bias', shape: [2] }] })
  })
})
