import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as tf from '@tensorflow/tfjs'
import { field, fromRows, pipe, run, type Job } from '@millrace/core'
import { loadFrozenGraph, loadSavedModel, readCheckpoint, type Prediction, type Predictor, type PredictorInput } from '@millrace/export'
import { describePeer, runPython } from '../support/peer.js'

interface Answer {
  readonly [output: string]: { readonly shape: number[]; readonly values: (number | string)[] }
}
interface Cases {
  readonly columns: { readonly origin: string[]; readonly distance: number[]; readonly date: string[] }
  readonly count: number[]
  readonly examples: string[]
  readonly images: number[]
  readonly v1: Answer
  readonly frozen: Answer
  readonly module: Answer
  readonly keras: Answer
  readonly image: Answer
  readonly adapted: Answer
  readonly checkpoint: { readonly [name: string]: { readonly dtype: string; readonly shape: number[]; readonly strings?: string[]; readonly bytes?: string } }
}

const expectSame = (ours: Prediction, theirs: Answer): void => {
  expect(Object.keys(ours).sort()).toEqual(Object.keys(theirs).sort())
  for (const [name, { shape, values }] of Object.entries(theirs)) {
    const tensor = ours[name]!
    expect([name, tensor.shape]).toEqual([name, shape])
    const mine = Array.from(tensor.values as ArrayLike<number | bigint | string>, (value) => (typeof value === 'string' ? value : Number(value)))
    const worst = mine.reduce<number>((most, value, i) => (typeof value === 'string' ? most : Math.max(most, Math.abs(value - (values[i] as number)))), 0)
    expect(worst, `largest difference of ${name}`).toBeLessThanOrEqual(1e-5)
    if (tensor.dtype !== 'float32') expect(mine).toEqual(values)
  }
}

describePeer('the predictor and the readers against what TensorFlow and Keras wrote', 'tensorflow', () => {
  let folder = ''
  let cases: Cases
  const loaded: Predictor[] = []
  const load = async (predictor: Job<Predictor>): Promise<Predictor> => {
    const made = await run(predictor)
    loaded.push(made)
    return made
  }
  const ask = async (predictor: Predictor, input: PredictorInput, signature?: string): Promise<Prediction> => run(predictor.predict(input, { signature }))
  const raw = (): { origin: string[]; distance: number[]; date: bigint[] } => ({ ...cases.columns, date: cases.columns.date.map(BigInt) })

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-predictor-'))
    const output = await runPython(fileURLToPath(new URL('predictor.py', import.meta.url)), { args: [folder], timeoutMs: 110_000 })
    cases = JSON.parse(output.slice(output.indexOf('{'))) as Cases
  })
  afterAll(async () => {
    for (const predictor of loaded) predictor.dispose()
    await rm(folder, { recursive: true, force: true })
  })

  test('a TensorFlow 1 SavedModel: vocabulary file, partitioned and plain variables, int64 time arithmetic, buckets, strings out', async () => {
    const predictor = await load(loadSavedModel(join(folder, 'v1'), { runtime: 'javascript' }))
    expect(predictor.signatures['serving_default']!.inputs['origin']).toMatchObject({ dtype: 'string', shape: [-1] })
    expectSame(await ask(predictor, raw()), cases.v1)
  })

  test('serialized examples, and tensors fed in the midst of the graph, give the same', async () => {
    const predictor = await load(loadSavedModel(join(folder, 'v1'), { runtime: 'javascript' }))
    const examples = cases.examples.map((text) => new Uint8Array(Buffer.from(text, 'base64')))
    const { scores } = cases.v1
    expectSame(await ask(predictor, examples, 'serving_examples'), { scores: scores! })
    expectSame(await ask(predictor, { examples }, 'serving_examples'), { scores: scores! })
    expectSame(await ask(predictor, raw(), 'serving_parsed'), { scores: scores! })
  })

  test('a bad serialized example is named', async () => {
    const predictor = await load(loadSavedModel(join(folder, 'v1'), { signatures: ['serving_examples'], runtime: 'javascript' }))
    const good = new Uint8Array(Buffer.from(cases.examples[0]!, 'base64'))
    await expect(ask(predictor, [good, good.slice(0, 9)])).rejects.toMatchObject({ _tag: 'BadRecord', position: { record: 1 } })
    await expect(ask(predictor, [good, new Uint8Array()])).rejects.toThrow(/"d(istance|ate)" is missing in example 1/)
    expect((await ask(predictor, [good]))['scores']!.shape).toEqual([1, 2])
  })

  test('a frozen graph whose tables are filled from constants', async () => {
    const named = { scores: 'out_scores', label: 'out_label', hour: 'out_hour', bucket: 'out_bucket' }
    const predictor = await load(loadFrozenGraph(join(folder, 'frozen.pb'), { outputs: named, initializer: 'init_tables' }))
    expectSame(await ask(predictor, raw()), cases.frozen)
    const bare = await load(loadFrozenGraph(join(folder, 'frozen.pb')))
    expect(Object.keys(bare.signatures['serving_default']!.inputs).sort()).toEqual(['date', 'distance', 'origin'])
    expectSame(await ask(bare, raw()), Object.fromEntries(Object.entries(cases.frozen).map(([name, value]) => [`out_${name}`, value])))
  })

  test('a TensorFlow 2 module: functions that call functions, captured variables and tables', async () => {
    const predictor = await load(loadSavedModel(join(folder, 'module'), { runtime: 'javascript' }))
    const { origin, distance } = raw()
    expectSame(await ask(predictor, { origin, distance }), { ...cases.module, hot: { ...cases.module['hot']!, values: origin.map((text) => text.replace(/[a-z]/g, (letter) => letter.toUpperCase())) } })
  })

  test('Keras preprocessing layers, embeddings and dense layers', async () => {
    const predictor = await load(loadSavedModel(join(folder, 'keras'), { signatures: ['serving_default'], runtime: 'javascript' }))
    const { origin, distance } = raw()
    expectSame(await ask(predictor, { origin, distance, count: cases.count }), cases.keras)
  })

  test('a convolutional Keras model', async () => {
    const predictor = await load(loadSavedModel(join(folder, 'image'), { signatures: ['serving_default'], runtime: 'javascript' }))
    expectSame(await ask(predictor, { image: { values: Float32Array.from(cases.images), shape: [2, 12, 12, 3] } }), cases.image)
  })

  test('a table that is restored from the checkpoint', async () => {
    const predictor = await load(loadSavedModel(join(folder, 'adapted'), { signatures: ['serving_default'], runtime: 'javascript' }))
    expectSame(await ask(predictor, { origin: cases.columns.origin }), cases.adapted)
  })

  test('a stream is scored column by column, and no tensor is left behind', async () => {
    const predictor = await load(loadSavedModel(join(folder, 'v1'), { runtime: 'javascript' }))
    const { origin, distance, date } = raw()
    const schema = { origin: field.nullable(field.utf8()), distance: field.float64(), date: field.timestamp() }
    const rows = origin.map((text, i) => ({ origin: text === '' ? null : text, distance: distance[i]!, date: new Date(Number(date[i]!)) }))
    await ask(predictor, raw())
    const before = tf.memory().numTensors
    const scored = pipe(fromRows(schema, rows, { batchRows: 10 }), predictor.apply({ outputs: { scores: field.list(field.float32(), { size: 2 }), label: field.utf8() } }))
    const scores: number[] = []
    const labels: string[] = []
    for await (const batch of scored) {
      for (let row = 0; row < batch.numRows; row++) {
        scores.push(...batch.columns.scores.get(row))
        labels.push(batch.columns.label.get(row))
      }
    }
    expect(tf.memory().numTensors).toBe(before)
    expect(labels).toEqual(cases.v1['label']!.values)
    scores.forEach((value, i) => expect(value).toBeCloseTo(cases.v1['scores']!.values[i] as number, 5))
  })

  test('what nothing can run is listed at load, and the other signatures still load', async () => {
    await expect(load(loadSavedModel(join(folder, 'unsupported'), { runtime: 'javascript' }))).rejects.toMatchObject({ _tag: 'Model', code: 'UNSUPPORTED_OPS', message: expect.stringMatching(/UnicodeDecode.*UnicodeDecode.*length/s) as string })
    const predictor = await load(loadSavedModel(join(folder, 'unsupported'), { signatures: ['length'], runtime: 'javascript' }))
    expect(predictor.runtime).toMatchObject({ kind: 'javascript', backend: undefined })
    expect((await ask(predictor, ['abc', 'naïve', '']))['length']!.values).toEqual(Int32Array.of(3, 6, 0))
  })

  test('a checkpoint of two shards, of every type, with a tensor in slices', async () => {
    const tensors = await run(readCheckpoint(join(folder, 'ckpt')))
    expect([...tensors.keys()].sort()).toEqual(Object.keys(cases.checkpoint).sort())
    for (const [name, { dtype, shape, strings, bytes }] of Object.entries(cases.checkpoint)) {
      const { data, ...rest } = tensors.get(name)!
      expect([name, rest]).toEqual([name, { dtype, shape }])
      if (strings !== undefined) expect((data as { toArray(): Uint8Array[] }).toArray().map((value) => Buffer.from(value).toString('base64'))).toEqual(strings)
      else expect(Buffer.from((data as Float32Array).buffer, (data as Float32Array).byteOffset, (data as Float32Array).byteLength).toString('base64')).toBe(bytes)
    }
  })
})
