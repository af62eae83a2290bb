/**
 * Run by tfjs-node.test.ts: trains the quickstart's model on 4,000 flights on one backend, and exports it.
 * Arguments: the backend, and a folder to write to.
 */
import { join } from 'node:path'
import {
  cache, dayOfWeek, features, field, greaterThan, hourOfDay, label, pipe, run, standardize, take, vocabulary, withColumn, type BackendName, type BackendReport,
} from '@millrace/core'
import { train } from '@millrace/distributed'
import { exportSavedModel } from '@millrace/export'
import { readJson, writeTfRecords } from '@millrace/formats'
import tf from '@tensorflow/tfjs'
import { delayModel } from '../../examples/quickstart/model.js'
import { flight } from '../../examples/quickstart/schemas.js'

/** What it prints. */
export interface TrainingOutcome {
  readonly backend: BackendReport
  /** After each epoch. */
  readonly losses: readonly number[]
  /** Tensors of TensorFlow.js, and of TensorFlow under it where that computes, after the first training and after the second. */
  readonly tensors: readonly (readonly number[])[]
}

const [backend, folder] = process.argv.slice(2) as [BackendName | 'any', string]

const flights = pipe(
  readJson('node_modules/vega-datasets/data/flights-20k.json', { schema: flight }),
  take(4000),
  withColumn('originState', field.utf8(), ({ origin }) => origin.slice(0, 1)),
  withColumn('destinationState', field.utf8(), ({ destination }) => destination.slice(0, 1)),
  cache(),
)
const spec = features({
  origin: vocabulary({ topK: 100, oovBuckets: 2 }),
  destination: vocabulary({ topK: 100, oovBuckets: 2 }),
  originState: vocabulary(),
  destinationState: vocabulary(),
  distance: standardize(),
  hour: hourOfDay({ from: 'date' }),
  weekday: dayOfWeek({ from: 'date' }),
  late: label(greaterThan(15, { from: 'delay' })),
})
const inputs = await run(spec.fit(flights))
const model = delayModel(inputs, { seed: 1, l2: 1e-3 })
const held = (): number[] => [tf.memory().numTensors, (tf.backend() as { readonly binding?: { getNumOfTensors(): number } }).binding?.getNumOfTensors() ?? 0]

const options = { data: pipe(flights, inputs.apply), validation: pipe(flights, take(500), inputs.apply), label: 'late', batchSize: 128, shuffle: { seed: 1 }, earlyStopping: { patience: 9 } }
const first = await run(train(model, { ...options, epochs: 2, backend: backend === 'any' ? undefined : backend }))
const tensors = [held()]
const second = await run(train(model, { ...options, epochs: 1 }))
tensors.push(held())

await run(exportSavedModel(model, join(folder, 'delay', '1'), { inputs }))
await run(pipe(flights, take(300), writeTfRecords(join(folder, 'flights'))))
const losses = [...first.epochs, ...second.epochs].flatMap(({ loss, valLoss }) => [loss, valLoss!])
console.log(`\n${JSON.stringify({ backend: first.backend, losses, tensors } satisfies TrainingOutcome)}`)
