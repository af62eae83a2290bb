import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  bucketize, chooseBackend, concatBatches, dayOfWeek, features, field, fromRows, greaterThan, hashBucket, hourOfDay, identity, label, minMax, oneHot, pipe, run, standardize,
  toTensors, vocabulary, type Batch, type FittedFeature, type Schema, type Stream,
} from '@millrace/core'
import { ByteBuffer, ExampleEncoder } from '@millrace/formats'
import { exportFrozenGraph, type FrozenReport } from '../frozen-graph/index.js'
import { exportSavedModel } from '../saved-model/index.js'
import { loadFrozenGraph } from './load-frozen-graph.js'
import { loadSavedModel } from './load-saved-model.js'
import type { Prediction, Predictor } from './predictor.js'

const flight = {
  origin: field.nullable(field.utf8()),
  carrier: field.dictionary(),
  number: field.int64(),
  date: field.timestamp(),
  instant: field.timestamp({ unit: 'ns' }),
  day: field.date(),
  distance: field.float32(),
  price: field.float64(),
  stops: field.int32(),
  night: field.bool(),
  delay: field.int32(),
}
const row = (origin: string | null, number: bigint, date: string, distance: number, stops: number, price: number) => ({
  origin, carrier: (origin ?? '-').slice(0, 1), number, date: new Date(date), instant: new Date(date), day: new Date(date.slice(0, 10)), distance, price, stops, night: stops > 1, delay: stops * 10,
})
const train = fromRows(flight, [
  row('SFO', 12n, '2001-01-01T00:47:00Z', 100, 0, 12.5), row('JFK', -7n, '2001-01-02T23:59:59Z', 300, 1, 80), row('SFO', 12n, '1969-12-31T23:00:00Z', 50, 2, 0.1),
  row('Zürich', 2n ** 60n, '2001-01-04T12:00:00Z', 200, 3, 1e6), row('naïve 日本', 0n, '1900-02-28T05:00:00Z', 250, 4, -4), row(null, 1n, '2001-01-06T01:00:00Z', 150, 1, 7),
])
const asked = fromRows(flight, [
  row('SFO', 12n, '2024-02-29T13:00:00Z', 120.5, 0, 33.3), row('', 13n, '1969-12-31T23:59:59Z', 300, 1, 80), row('unknown', -1n, '1970-01-01T00:00:00Z', 7, 9, -1e3),
  row('Zürich', 2n ** 60n, '2001-01-04T12:34:56Z', 1e6, 3, 1e6), row('naïve 日本', 0n, '1899-12-31T05:00:00Z', -5, -2, 0), row(null, 99n, '2001-01-07T22:00:00Z', 200, 2, 5),
])

const spec = features({
  origin: vocabulary({ oovBuckets: 3, maskToken: '' }),
  plain: vocabulary({ from: 'origin', topK: 2 }),
  carrier: vocabulary({ oovBuckets: 2 }),
  number: vocabulary({ oovBuckets: 5 }),
  hashed: hashBucket({ from: 'origin', buckets: 11 }),
  hashed_number: hashBucket({ from: 'number', buckets: 7 }),
  hour: hourOfDay({ from: 'date' }),
  hour_ns: hourOfDay({ from: 'instant' }),
  weekday: dayOfWeek({ from: 'date' }),
  day: dayOfWeek(),
  distance: standardize(),
  price: minMax(),
  far: bucketize({ from: 'price', boundaries: [0, 12.5, 80] }),
  stops: identity(),
  night: identity(),
  shape: oneHot(vocabulary({ from: 'origin', topK: 3, oovBuckets: 2 })),
  stops_hot: oneHot({ from: 'stops', depth: 4 }),
  many_stops: greaterThan(1, { from: 'stops' }),
  late: label(greaterThan(15, { from: 'delay' })),
})

const wholeOf = async <S extends Schema>(stream: Stream<S>): Promise<Batch<S>> => {
  const batches: Batch<S>[] = []
  for await (const batch of stream) batches.push(batch)
  return concatBatches(stream.schema, batches)
}

/** Categories through embeddings, the rest as numbers, two outputs. */
const buildModel = (inputs: readonly FittedFeature[]): tf.LayersModel => {
  const taken: tf.SymbolicTensor[] = []
  const parts: tf.SymbolicTensor[] = []
  for (const feature of inputs) {
    if (feature.role === 'label') continue
    const input = tf.input({ shape: [feature.output.params.size ?? 1], name: feature.name })
    taken.push(input)
    const embedded = feature.cardinality !== undefined && feature.output.kind === 'int32'
    parts.push(embedded ? tf.layers.flatten().apply(tf.layers.embedding({ inputDim: feature.cardinality!, outputDim: 2, embeddingsInitializer: tf.initializers.randomNormal({ seed: parts.length + 1 }) }).apply(input)) as tf.SymbolicTensor : input)
  }
  const dense = (units: number, activation: 'relu' | 'sigmoid' | 'softmax', name: string, of: tf.SymbolicTensor): tf.SymbolicTensor =>
    tf.layers.dense({ units, activation, name, kernelInitializer: tf.initializers.glorotNormal({ seed: units }) }).apply(of) as tf.SymbolicTensor
  const hidden = dense(7, 'relu', 'hidden', tf.layers.batchNormalization({}).apply(tf.layers.concatenate().apply(parts)) as tf.SymbolicTensor)
  return tf.model({ inputs: taken, outputs: [dense(1, 'sigmoid', 'probability', hidden), dense(3, 'softmax', 'classes', hidden)] })
}

const numbers = (prediction: Prediction, name: string): number[] => Array.from(prediction[name]!.values as Float32Array)

describe('what we export and load again predicts as the model does', () => {
  let folder = ''
  let frozen: FrozenReport
  let expected: { probability: number[]; classes: number[] }
  let batch: Batch<typeof flight>
  const predictors: Predictor[] = []

  beforeAll(async () => {
    await tf.setBackend('cpu')
    folder = await mkdtemp(join(tmpdir(), 'millrace-round-trip-'))
    const inputs = await run(spec.fit(train))
    const model = buildModel(Object.values(inputs.features))
    batch = await wholeOf(asked)
    const tensors = await toTensors(await wholeOf<Schema>(pipe(asked, inputs.apply)), { columns: model.inputNames })
    const [probability, classes] = model.predict(model.inputNames.map((name) => (tensors[name] as unknown as tf.Tensor).toFloat())) as [tf.Tensor, tf.Tensor]
    expected = { probability: Array.from(probability.dataSync()), classes: Array.from(classes.dataSync()) }
    await run(exportSavedModel(model, join(folder, 'model', '1'), { inputs }))
    frozen = await run(exportFrozenGraph(model, join(folder, 'frozen.pb'), { inputs }))
  })
  afterAll(async () => {
    for (const predictor of predictors) predictor.dispose()
    await rm(folder, { recursive: true, force: true })
  })
  const load = async (): Promise<Predictor> => {
    const predictor = await run(loadSavedModel(join(folder, 'model', '1'), { runtime: 'javascript' }))
    predictors.push(predictor)
    return predictor
  }
  const expectExpected = (prediction: Prediction): void => {
    expect(prediction['probability']!.shape).toEqual([6, 1])
    expect(prediction['classes']!.shape).toEqual([6, 3])
    numbers(prediction, 'probability').forEach((value, i) => expect(value).toBeCloseTo(expected.probability[i]!, 5))
    numbers(prediction, 'classes').forEach((value, i) => expect(value).toBeCloseTo(expected.classes[i]!, 5))
  }

  test('from raw columns of a batch: unknown tokens, nulls, dates before 1970, integers beyond 2⁵³', async () => {
    const predictor = await load()
    expect(predictor.runtime).toMatchObject({ kind: 'javascript', backend: 'cpu' })
    expectExpected(await run(predictor.predict(batch)))
    expect(new Set(expected.probability).size).toBeGreaterThan(3)
  })

  test('from serialized examples', async () => {
    const encoder = new ExampleEncoder(flight)
    encoder.bind(batch)
    const examples = Array.from({ length: batch.numRows }, (_, i) => {
      const out = new ByteBuffer()
      encoder.encode(i, out)
      return out.bytes.slice(0, out.length)
    })
    expectExpected(await run((await load()).predict(examples, { signature: 'serving_examples' })))
  })

  test('on the WebAssembly backend', async () => {
    await run(chooseBackend({ prefer: 'wasm' }))
    const predictor = await load()
    expect(predictor.runtime).toMatchObject({ backend: 'wasm' })
    expectExpected(await run(predictor.predict(batch)))
    predictor.dispose()
    await tf.setBackend('cpu')
  })

  test('from the frozen graph, by the names in its report', async () => {
    const predictor = await run(loadFrozenGraph(frozen.url, frozen))
    predictors.push(predictor)
    expectExpected(await run(predictor.predict(batch)))
    expect(predictor.signatures['serving_default']!.outputs['probability']).toMatchObject({ dtype: 'float32', shape: [-1, 1] })
  })

  test('typed columns are added to a stream', async () => {
    const predictor = await load()
    const scored = pipe(asked, predictor.apply({ outputs: { probability: field.float32(), classes: field.list(field.float32(), { size: 3 }) } }))
    const result = await wholeOf(scored) 
    expect(Object.keys(result.columns)).toEqual([...Object.keys(flight), 'probability', 'classes'])
    Array.from(result.columns.probability.values).forEach((value, i) => expect(value).toBeCloseTo(expected.probability[i]!, 5))
    const untyped = pipe(asked, predictor.apply())
    expect(Object.keys(untyped.schema)).toEqual([...Object.keys(flight), ...Object.keys(predictor.signatures['serving_default']!.outputs)])
    expect(untyped.schema['probability']!.kind).toBe('float32')
    expect(() => predictor.apply({ outputs: { probability: field.int32() } })).toThrow(/"probability" is a column of float32, not int32/)
    expect(() => pipe(scored, predictor.apply())).toThrow(/has the name of a column/)
  })

  test('tensors are freed by dispose, and none is left by a prediction', async () => {
    const before = tf.memory().numTensors
    const predictor = await run(loadSavedModel(join(folder, 'model', '1'), { runtime: 'javascript' }))
    const loaded = tf.memory().numTensors
    expect(loaded).toBeGreaterThan(before)
    for (let i = 0; i < 3; i++) await run(predictor.predict(batch))
    expect(tf.memory().numTensors).toBe(loaded)
    predictor.dispose()
    predictor.dispose()
    expect(tf.memory().numTensors).toBe(before)
    await expect(run(predictor.predict(batch))).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  test('inputs that are missing, unknown or of the wrong type or length are named, with what the model takes', async () => {
    const predictor = await load()
    const columns = Object.fromEntries(Object.entries(batch.columns).filter(([name]) => name in predictor.signatures['serving_default']!.inputs))
    const ask = (changed: object): Promise<Prediction> => run(predictor.predict({ ...columns, ...changed }))
    expectExpected(await ask({}))
    await expect(ask({ origin: undefined })).rejects.toMatchObject({ _tag: 'Schema', code: 'MISSING_INPUT', position: { column: 'origin' }, message: expect.stringMatching(/origin \(string\[\?\]\).*distance \(float32\[\?\]\)/) as string })
    await expect(ask({ nonsense: [1] })).rejects.toMatchObject({ code: 'UNKNOWN_INPUT', position: { column: 'nonsense' } })
    await expect(ask({ distance: ['far'] })).rejects.toMatchObject({ code: 'BAD_INPUT', position: { column: 'distance' } })
    await expect(ask({ stops: [1.5, 0, 0, 0, 0, 0] })).rejects.toThrow(/1.5 is not a whole number/)
    await expect(ask({ distance: [1, 2] })).rejects.toMatchObject({ code: 'LENGTH_MISMATCH' })
    await expect(ask({ distance: [[1, 2], [3, 4]] })).rejects.toThrow(/shape \[2,2\].*float32\[\?\]/)
    await expect(ask({ distance: [1, null, 2, 3, 4, 5] })).rejects.toThrow(/null/)
    await expect(run(predictor.predict(batch, { signature: 'other' }))).rejects.toMatchObject({ code: 'NO_SUCH_SIGNATURE' })
    await expect(run(predictor.predict(batch), { signal: AbortSignal.abort() })).rejects.toMatchObject({ _tag: 'Aborted' })
  })

  test('values in every form that an input may be given in', async () => {
    const predictor = await load()
    const { origin, carrier, number, date, instant, day, distance, price, stops, night } = batch.columns
    const plain = {
      origin: origin.toArray(), carrier: carrier.toArray(), number: number.toArray(), date: date.toArray(), instant: instant.values, day: Array.from(day.values), distance: Array.from(distance.values),
      price: price.values, stops: { values: stops.values, shape: [6, 1] }, night: night.toArray(),
    }
    const { inputs } = predictor.signatures['serving_default']!
    expectExpected(await run(predictor.predict(Object.fromEntries(Object.entries(plain).filter(([name]) => name in inputs)))))
  })

  test('native, where no package for it is installed: an error that names the packages', async () => {
    const { resolve } = createRequire(import.meta.url)
    const installed = ['@tensorflow/tfjs-node', '@tensorflow/tfjs-node-gpu'].some((name) => {
      try {
        return resolve(name) !== ''
      } catch {
        return false
      }
    })
    if (installed) return
    await expect(run(loadSavedModel(join(folder, 'model', '1'), { runtime: 'native' }))).rejects.toMatchObject({ _tag: 'MissingPeer', message: expect.stringContaining('@tensorflow/tfjs-node-gpu') as string })
    const predictor = await run(loadSavedModel(join(folder, 'model', '1')))
    predictors.push(predictor)
    expect(predictor.runtime.kind).toBe('javascript')
  })

  test('an empty batch has empty predictions', async () => {
    const prediction = await run((await load()).predict(batch.slice(0, 0)))
    expect(prediction['probability']).toEqual({ dtype: 'float32', shape: [0, 1], values: new Float32Array(0) })
  })
})
