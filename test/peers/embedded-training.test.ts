import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, fromRows, run, type ProgressEvent } from '@millrace/core'
import { train, type EpochReport } from '@millrace/distributed'
import { nativeObjects } from '@millrace/export'
import * as tf from '@tensorflow/tfjs'
import { beforeAll, expect, test } from 'vitest'
import { build, CITIES, closeTo, options, rows, schema, testNumbers, weightsOf } from '../support/embedded-training.js'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

describePeer('training in TensorFlow, in this process', 'tensorflow', () => {
  const native = { runtime: 'tensorflow', library: peerLibrary() } as const
  const tfjs = { runtime: 'tfjs' } as const
  beforeAll(async () => {
    process.env['TF_CPP_MIN_LOG_LEVEL'] = '3'
    await tf.setBackend('cpu')
  })

  testNumbers(native.library)

  test('a learning rate that changes between the epochs', async () => {
    const losses = []
    for (const choice of [native, tfjs]) {
      const optimizer = tf.train.adam(0.01)
      const onEpoch = ({ epoch }: EpochReport): void => {
        (optimizer as unknown as { learningRate: number }).learningRate = 0.01 / (epoch + 1)
      }
      losses.push((await run(train(build({ optimizer }), { ...options, ...choice, onEpoch }))).epochs.map(({ loss }) => loss))
    }
    closeTo(losses[0]!, losses[1]!, 1e-4)
  })

  test('says what it ran on; each epoch is reported with the weights of its end; nothing is left behind', async () => {
    const model = build()
    const folder = await mkdtemp(join(tmpdir(), 'millrace-embedded-'))
    const events: ProgressEvent[] = []
    const weights: number[][] = []
    const before = { native: nativeObjects(), tensors: 0 }
    try {
      await run(train(model, { ...options, ...native, epochs: 1 }))
      before.tensors = tf.memory().numTensors
      const report = await run(train(model, { ...options, ...native, tensorBoard: folder, onEpoch: () => weights.push(weightsOf(model)) }), { progress: (event) => events.push(event) })
      expect(report.runtime).toMatchObject({ runtime: 'tensorflow', description: expect.stringMatching(/^TensorFlow 2\.\d+\.\d+ in this process$/) as string, reason: undefined })
      expect(report.runtime.library).toMatch(/tensorflow/)
      expect(events[0]).toMatchObject({ stage: `training on ${report.runtime.description}`, finished: true })
      expect(events[1]).toMatchObject({ stage: 'epoch 1 of 3' })
      expect(events[1]!.done % 64).toBe(0)
      expect(weights).toHaveLength(3)
      expect(weights[0]).not.toEqual(weights[2])
      expect(weightsOf(model)).toEqual(weights[2])
      expect((await readdir(folder)).sort()).toEqual(['train', 'validation'])
    } finally {
      await rm(folder, { recursive: true })
    }
    expect(nativeObjects()).toEqual(before.native)
    expect(tf.memory().numTensors).toBe(before.tensors)
  })

  test('stops at the next step when aborted, and keeps the weights of the last one', async () => {
    const aborting = new AbortController()
    const model = build()
    const first = weightsOf(model)
    let steps = 0
    await expect(run(train(model, { ...options, ...native }), {
      signal: aborting.signal,
      progress: ({ stage }) => {
        if (stage.startsWith('epoch') && ++steps === 3) aborting.abort()
      },
    })).rejects.toMatchObject({ _tag: 'Aborted' })
    expect(steps).toBe(3)
    expect(weightsOf(model)).not.toEqual(first)
    expect(nativeObjects()).toMatchObject({ sessions: 0, graphs: 0, tensors: 0 })
  })

  test('dropout learns', async () => {
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 16, activation: 'relu', inputShape: [2], name: 'x' }), tf.layers.dropout({ rate: 0.3 }), tf.layers.dense({ units: 1, activation: 'sigmoid' })] })
    model.compile({ optimizer: tf.train.adam(0.05), loss: 'binaryCrossentropy' })
    const data = fromRows({ [model.inputNames[0]!]: schema.x, far: schema.far }, Array.from({ length: 300 }, (_, i) => ({ [model.inputNames[0]!]: [Math.sin(i), Math.cos(i)], far: Math.sin(i) > 0 })))
    const { epochs } = await run(train(model, { data, label: 'far', epochs: 8, ...native }))
    expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss / 2)
  })

  test('what has no graph is trained by TensorFlow.js, which says why, or refused', async () => {
    const asked = { ...options, epochs: 1, library: native.library }
    expect((await run(train(build(), asked))).runtime.runtime).toBe('tensorflow')
    const own = build()
    own.compile({ optimizer: 'sgd', loss: (label, output) => tf.mean(tf.abs(tf.sub(label, output)), -1) })
    expect((await run(train(own, asked))).runtime).toMatchObject({ runtime: 'tfjs', reason: expect.stringContaining('has no graph') as string })
    await expect(run(train(own, { ...asked, runtime: 'tensorflow' }))).rejects.toMatchObject({ _tag: 'Model' })
    expect((await run(train(build(), { ...asked, library: '/nowhere' }))).runtime.reason).toBe('there is no libtensorflow at /nowhere')
  })

  test('what is wrong with the data is said as ever', async () => {
    const beyond = fromRows(schema, [{ city: CITIES, x: [0, 0], late: 1, far: true, kind: 0 }])
    await expect(run(train(build(), { ...options, ...native, data: beyond }))).rejects.toMatchObject({ _tag: 'Model', code: 'STEP_FAILED', message: expect.stringMatching(/TensorFlow could not run a step: .*5/) as string })
    const wide = fromRows({ ...schema, x: field.list(field.float32()) }, [{ city: 1, x: [0, 0, 0], late: 1, far: true, kind: 0 }])
    await expect(run(train(build(), { ...options, ...native, data: wide }))).rejects.toMatchObject({ _tag: 'Model', code: 'STEP_FAILED', message: expect.stringContaining('float32[1,3] was given') as string })
    await expect(run(train(build(), { ...options, ...native, data: rows(0, 0) }))).rejects.toMatchObject({ code: 'NO_ROWS' })
    const squares = build()
    squares.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
    const huge = fromRows({ ...schema, late: field.float32() }, [{ city: 1, x: [0, 0], late: 1e30, far: true, kind: 0 }])
    await expect(run(train(squares, { ...options, ...native, data: huge, validation: undefined }))).rejects.toMatchObject({ code: 'LOSS_NOT_FINITE' })
    expect(nativeObjects()).toMatchObject({ sessions: 0, graphs: 0, tensors: 0 })
  })
})
