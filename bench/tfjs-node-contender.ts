import tf from '@tensorflow/tfjs'
import { serve } from './harness/program.js'
import type { StepCost } from './harness/steps.js'
import { BATCH, LEARNING_RATE, WIDTH, benchBatch, benchModel } from './suites/parameter-servers-model.js'

const BATCHES = 16
type Batch = readonly [ids: tf.Tensor2D, labels: tf.Tensor2D]
await import('@tensorflow/tfjs-node' as string)

let model: tf.LayersModel
let batches: readonly Batch[]

/** The batches one after another, again and again. */
const rowsOf = (count: number): Batch => {
  const joined = (part: 0 | 1): tf.Tensor2D => tf.tidy(() => tf.concat2d(Array.from({ length: count }, (_, index) => batches[index % BATCHES]![part]), 0))
  return [joined(0), joined(1)]
}

const fit = ([id, label]: Batch): Promise<tf.History> => model.fit(id, label, { batchSize: BATCH, epochs: 1, shuffle: false, verbose: 0 })

await serve({
  open: async ({ rows }: { readonly rows: number }) => {
    await tf.ready()
    model = benchModel(tf, rows)
    model.compile({ loss: 'binaryCrossentropy', optimizer: tf.train.sgd(LEARNING_RATE) })
    batches = Array.from({ length: BATCHES }, (_, index) => {
      const { id, label } = benchBatch(index, rows)
      return [tf.tensor2d(id, [BATCH, WIDTH]), tf.tensor2d(label, [BATCH, 1])] as const
    })
    return tf.getBackend()
  },
  check: async ({ steps }: { readonly steps: number }) => {
    const losses: number[] = []
    for (let index = 0; index < steps; index++) losses.push((await fit(batches[index]!)).history['loss']![0] as number)
    return losses
  },
  steps: async ({ calls }: { readonly calls: number }): Promise<StepCost> => {
    const data = rowsOf(calls)
    const cpu = process.cpuUsage()
    const start = performance.now()
    await fit(data)
    const wall = (performance.now() - start) / 1000
    const { user, system } = process.cpuUsage(cpu)
    tf.dispose([...data])
    return { wall, cpu: (user + system) / 1e6, steps: calls }
  },
})
