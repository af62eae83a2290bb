import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chooseBackend, field, fromRows, LaterSchema, makeStream, rename, run, type ProgressEvent, type Schema } from '@millrace/core'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { EpochReport } from './epochs.js'
import { train } from './train.js'

const schema = { city: field.int32(), x: field.float32(), late: field.int32() }

/** The label follows the city and the sign of x; every row has its own place in a fixed sequence. */
const rows = (from: number, to: number) =>
  fromRows(schema, Array.from({ length: to - from }, (_, i) => {
    const n = (Math.imul(from + i + 1, 0x9e3779b1) >>> 0) / 2 ** 32
    const city = (from + i) % 5
    return { city, x: n * 2 - 1, late: (city < 2) === (n > 0.3) ? 1 : 0 }
  }), { batchRows: 100 })

const build = (optimizer: tf.Optimizer | string = tf.train.adam(0.02)): tf.LayersModel => {
  const city = tf.input({ shape: [1], name: 'city' })
  const x = tf.input({ shape: [1], name: 'x' })
  const embedded = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: 5, outputDim: 4, embeddingsInitializer: tf.initializers.randomUniform({ minval: -0.1, maxval: 0.1, seed: 1 }) }).apply(city))
  const joined = tf.layers.concatenate().apply([embedded as tf.SymbolicTensor, x])
  const hidden = tf.layers.dense({ units: 8, activation: 'relu', kernelInitializer: tf.initializers.glorotUniform({ seed: 2 }) }).apply(joined)
  const output = tf.layers.dense({ units: 1, activation: 'sigmoid', kernelInitializer: tf.initializers.glorotUniform({ seed: 3 }) }).apply(hidden)
  const model = tf.model({ inputs: [city, x], outputs: output as tf.SymbolicTensor })
  model.compile({ optimizer, loss: 'binaryCrossentropy', metrics: ['accuracy'] })
  return model
}

const weightsOf = (model: tf.LayersModel): number[] => model.getWeights().flatMap((weight) => [...weight.dataSync()])

describe('train', () => {
  // Whoever has a libtensorflow tests it in test/peers/embedded-training.test.ts.
  beforeAll(() => void vi.stubEnv('LIBTENSORFLOW', ''))
  afterAll(() => void vi.unstubAllEnvs())

  it('takes streams that do not know their columns yet', async () => {
    const known = rows(0, 64)
    const unknown = makeStream<Schema, 'cold'>({ schema: new LaterSchema(() => Promise.resolve(schema)), mode: 'cold', plan: known.plan, stableOrder: true, positions: 'native', open: (context) => known.open(context) })
    expect(await run(train(build(), { data: unknown, label: 'late', epochs: 1 }))).toMatchObject({ epochs: [{ epoch: 1 }] })
    await expect(run(train(build(), { data: unknown.pipe(rename({ x: 'y' })), label: 'late' }))).rejects.toMatchObject({ code: 'NO_SUCH_COLUMN' })
  })

  it('learns, reports, and leaves no tensors behind', async () => {
    const model = build()
    const events: ProgressEvent[] = []
    const seen: EpochReport[] = []
    const options = { data: rows(0, 1000), validation: rows(1000, 1300), label: 'late', epochs: 12, batchSize: 64, shuffle: { seed: 4 }, onEpoch: (epoch: EpochReport) => seen.push(epoch) }
    const report = await run(train(model, options), { progress: (event) => events.push(event) })
    expect(report).toMatchObject({ backend: { backend: 'wasm' }, rows: 1000, validationRows: 300, steps: 12 * 16, bestEpoch: 12, stoppedEarly: false })
    expect(report.epochs).toEqual(seen)
    expect(report.epochs[0]!.metrics['val_acc']!).toBeLessThan(0.8)
    expect(report.epochs[11]!.metrics['val_acc']!).toBeGreaterThan(0.9)
    expect(report.epochs[11]!.valLoss!).toBeLessThan(report.epochs[0]!.valLoss!)
    expect(events[0]).toMatchObject({ stage: `training on ${report.runtime.description}`, note: `not on TensorFlow: ${report.runtime.reason}`, finished: true })
    expect(events[1]).toMatchObject({ stage: 'epoch 1 of 12', done: 64, unit: 'rows', total: undefined })
    expect(events.filter(({ finished }) => finished)).toHaveLength(13)
    expect(events.at(-1)!.note).toMatch(/^loss 0\.\d{4}, validation 0\.\d{4}$/)

    const before = tf.memory().numTensors
    await run(train(model, { ...options, epochs: 2, earlyStopping: {} }))
    expect(tf.memory().numTensors).toBe(before)
  })

  it('says what it trains on, and why it is not TensorFlow', async () => {
    const options = { data: rows(0, 50), label: 'late', epochs: 1 }
    const { runtime, backend } = await run(train(build(), options))
    expect(runtime).toMatchObject({ runtime: 'tfjs', description: `TensorFlow.js on ${backend.description}`, library: undefined })
    expect(runtime.reason).toMatch(/^no libtensorflow was found/)
    for (const asked of [{ runtime: 'tfjs' }, { backend: 'wasm' }] as const) expect((await run(train(build(), { ...options, ...asked }))).runtime.reason).toBeUndefined()
    await expect(run(train(build(), { ...options, runtime: 'tensorflow' }))).rejects.toMatchObject({ _tag: 'MissingPeer', code: 'LIBTENSORFLOW' })
  })

  it('gives the same weights for the same seed, and others for another', async () => {
    const trained = async (seed: number): Promise<number[]> => {
      const model = build()
      await run(train(model, { data: rows(0, 300), label: 'late', epochs: 2, shuffle: { seed, windowRows: 128 } }))
      return weightsOf(model)
    }
    expect(await trained(1)).toEqual(await trained(1))
    expect(await trained(1)).not.toEqual(await trained(2))
  })

  it('measures what evaluate of Keras measures', async () => {
    const model = build()
    const report = await run(train(model, { data: rows(0, 500), validation: rows(500, 700), label: 'late', epochs: 1 }))
    const held = { city: [] as number[], x: [] as number[], late: [] as number[] }
    for await (const batch of rows(500, 700)) for (const name of ['city', 'x', 'late'] as const) held[name].push(...batch.columns[name].toArray())
    const column = (values: number[]) => tf.tensor2d(values, [values.length, 1])
    const [loss, accuracy] = model.evaluate([column(held.city), column(held.x)], column(held.late)) as tf.Scalar[]
    expect(report.epochs[0]!.valLoss!).toBeCloseTo(loss!.dataSync()[0]!, 5)
    expect(report.epochs[0]!.metrics['val_acc']!).toBeCloseTo(accuracy!.dataSync()[0]!, 5)
  })

  it('stops early, with the weights of the best epoch', async () => {
    // Ever larger steps: it gets better, then worse.
    const optimizer = tf.train.sgd(0.05)
    const model = build(optimizer)
    const weights: number[][] = []
    const losses: number[] = []
    const report = await run(train(model, {
      data: rows(0, 400), validation: rows(400, 600), label: 'late', epochs: 60, earlyStopping: { patience: 2 },
      onEpoch: ({ valLoss, epoch }) => {
        weights.push(weightsOf(model))
        losses.push(valLoss!)
        if (epoch >= 5) (optimizer as unknown as { setLearningRate(rate: number): void }).setLearningRate(30)
      },
    }))
    expect(report.stoppedEarly).toBe(true)
    const best = losses.indexOf(Math.min(...losses))
    expect(report.bestEpoch).toBe(best + 1)
    expect(report.epochs).toHaveLength(report.bestEpoch + 2)
    expect(weightsOf(model)).toEqual(weights[best])
    expect(weightsOf(model)).not.toEqual(weights.at(-1))
  })

  it('stops at the next step when aborted', async () => {
    const aborting = new AbortController()
    let steps = 0
    await expect(run(train(build(), { data: rows(0, 1000), label: 'late', epochs: 5 }), {
      signal: aborting.signal,
      progress: ({ stage }) => {
        if (stage.startsWith('epoch') && ++steps === 3) aborting.abort()
      },
    })).rejects.toMatchObject({ _tag: 'Aborted' })
    expect(steps).toBe(3)
  })

  it('writes event files as Keras lays them out', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-train-'))
    try {
      await run(train(build(), { data: rows(0, 100), validation: rows(100, 150), label: 'late', epochs: 2, tensorBoard: folder }))
      for (const [part, tags] of [['train', ['epoch_loss', 'epoch_acc', 'epoch_learning_rate']], ['validation', ['epoch_loss', 'epoch_acc']]] as const) {
        const files = await readdir(join(folder, part))
        expect(files).toHaveLength(1)
        const text = (await readFile(join(folder, part, files[0]!))).toString('latin1')
        for (const tag of tags) expect(text.split(tag).length - 1).toBe(2)
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('keeps the backend that was chosen', async () => {
    const trainedOn = async (backend?: 'cpu' | 'wasm') => (await run(train(build(), { data: rows(0, 50), label: 'late', epochs: 1, backend }))).backend.backend
    await run(chooseBackend({ prefer: 'cpu' }))
    expect(await trainedOn()).toBe('cpu')
    await tf.setBackend('wasm')
    expect(await trainedOn()).toBe('wasm')
    await tf.setBackend('cpu')
    expect(await trainedOn()).toBe('cpu')
    expect(await trainedOn('wasm')).toBe('wasm')
    expect((await run(chooseBackend())).backend).toBe('wasm')
  })

  it('trains several outputs by labels of their names, and bools as numbers', async () => {
    const x = tf.input({ shape: [1], name: 'x' })
    const outputs = ['late', 'far'].map((name) => tf.layers.dense({ units: 1, activation: 'sigmoid', name }).apply(x) as tf.SymbolicTensor)
    const model = tf.model({ inputs: x, outputs })
    model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' })
    const both = { x: field.float32(), late: field.bool(), far: field.uint8() }
    const data = fromRows(both, Array.from({ length: 40 }, (_, i) => ({ x: i / 40, late: i > 20, far: i % 2 })))
    const report = await run(train(model, { data, label: ['far', 'late'], epochs: 1 }))
    expect(Object.keys(report.epochs[0]!.metrics)).toEqual(['loss', 'late_loss', 'far_loss'])
    await expect(run(train(model, { data, label: 'late' }))).rejects.toMatchObject({ _tag: 'Usage', code: 'LABELS', message: expect.stringContaining('outputs are late, far, and the labels late') as string })
    await expect(run(train(build(), { data: rows(0, 50), label: ['late', 'x'] }))).rejects.toMatchObject({ code: 'LABELS' })
  })

  it('refuses raw rows before the first step', async () => {
    const remedy = 'Pipe the rows through inputs.apply first.'
    const raw = fromRows({ ...schema, city: field.utf8() }, [{ city: 'SFO', x: 1, late: 1 }])
    const refused = { _tag: 'Schema', code: 'NOT_NUMERIC', problem: `the model's input takes numbers, and the column "city" is utf8`, remedy, position: { column: 'city' } }
    await expect(run(train(build(), { data: raw, label: 'late' }))).rejects.toMatchObject(refused)
    await expect(run(train(build(), { data: rows(0, 50), validation: raw, label: 'late' }))).rejects.toMatchObject(refused)
    const words = fromRows({ ...schema, late: field.dictionary() }, [{ city: 1, x: 1, late: 'yes' }])
    await expect(run(train(build(), { data: words, label: 'late' }))).rejects.toMatchObject({ code: 'NOT_NUMERIC', problem: 'the label takes numbers, and the column "late" is dictionary<utf8>', remedy })
  })

  it('says what is wrong with a model or its data', async () => {
    const data = rows(0, 50)
    const uncompiled = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] })
    await expect(run(train(uncompiled, { data, label: 'late' }))).rejects.toMatchObject({ _tag: 'Model', code: 'NOT_COMPILED' })
    await expect(run(train(build(), { data, label: 'lat' }))).rejects.toThrow(/Did you mean "late"/)
    await expect(run(train(build(), { data: fromRows({ city: field.int32(), late: field.int32() }, []), label: 'late' }))).rejects.toThrow(/the model's input needs the column "x"/)
    await expect(run(train(build(), { data: rows(0, 0), label: 'late' }))).rejects.toMatchObject({ code: 'NO_ROWS', message: expect.stringContaining('given as data') as string })
    await expect(run(train(build(), { data, validation: rows(0, 0), label: 'late' }))).rejects.toMatchObject({ code: 'NO_ROWS', message: expect.stringContaining('given as validation') as string })
    await expect(run(train(build(), { data, validation: fromRows({ city: field.int32(), x: field.float32() }, []), label: 'late' }))).rejects.toThrow(/needs the column "late"/)
    const nulls = fromRows({ ...schema, late: field.nullable(field.int32()) }, [{ city: 1, x: 1, late: null }])
    await expect(run(train(build(), { data: nulls, label: 'late' }))).rejects.toMatchObject({ _tag: 'Schema', code: 'NULL', position: { column: 'late' } })
    for (const wrong of [{ epochs: 0 }, { epochs: NaN }, { epochs: 1.5 }, { batchSize: 0 }, { earlyStopping: { patience: NaN } }]) {
      await expect(run(train(build(), { data, label: 'late', ...wrong }))).rejects.toMatchObject({ _tag: 'Usage', code: 'BAD_COUNT' })
    }
    await expect(run(train(build(), { data, label: 'late', runtime: 'tensorflw' as 'tensorflow' }))).rejects.toMatchObject({ _tag: 'Usage', code: 'BAD_OPTION' })
    await expect(run(train(build(), { data, label: 'late', earlyStopping: { metric: 'val_auc' } }))).rejects.toThrow(/watches "val_auc".*Measured are: loss, acc/)
    const squares = build()
    squares.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
    await expect(run(train(squares, { data: fromRows({ ...schema, late: field.float32() }, [{ city: 1, x: 1, late: 1e30 }]), label: 'late' }))).rejects.toMatchObject({ code: 'LOSS_NOT_FINITE' })
    await expect(run(train(squares, { data: fromRows({ ...schema, late: field.float32() }, [{ city: 1, x: 1, late: NaN }]), label: 'late' }))).rejects.toMatchObject({ code: 'LOSS_NOT_FINITE', message: expect.stringContaining('labels') as string })
  })
})
