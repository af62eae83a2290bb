/**
 * The flights of the quickstart, on a cluster of TensorFlow servers on this machine: two parameter servers and two workers, which read
 * the training rows themselves. Then the model is exported.
 *
 *     npm run example:cluster
 *
 * The servers need libtensorflow: an installed tfjs-node, or `LIBTENSORFLOW` with the folder of an installed Python package `tensorflow`.
 */
import {
  cache, dayOfWeek, features, field, greaterThan, hourOfDay, join, label, pipe, rename, run, shuffle, split, standardize, terminalProgress, vocabulary,
} from '@millrace/core'
import { predictions, score, startLocalCluster, trainOnCluster } from '@millrace/distributed'
import { exportSavedModel, loadSavedModel } from '@millrace/export'
import { readCsv, readJson, readTfRecords, writeTfRecords } from '@millrace/formats'
import { delayModel } from '../quickstart/model.js'
import { airport, flight } from '../quickstart/schemas.js'

const context = { progress: terminalProgress() }
const source = 'node_modules/vega-datasets/data'
const out = 'out/cluster'
const ifExists = 'replace'

// As in the quickstart: flights with the states of both airports, split by time, features fitted on the training rows alone.
const airports = readCsv(`${source}/airports.csv`, { schema: airport })
const journeys = pipe(
  readJson(`${source}/flights-20k.json`, { schema: flight }),
  join(airports, { left: 'origin', right: 'iata', kind: 'left' }),
  rename({ state: 'originState' }),
  join(airports, { left: 'destination', right: 'iata', kind: 'left' }),
  rename({ state: 'destinationState' }),
  cache(),
)
const parts = pipe(journeys, split({ train: 0.8, test: 0.2 }, { byTime: 'date' }))
const codes = { topK: 250, minFrequency: 10, oovBuckets: 1 }
const states = { topK: 60, oovBuckets: 1 }
const inputs = await run(features({
  origin: vocabulary(codes),
  destination: vocabulary(codes),
  originState: vocabulary(states),
  destinationState: vocabulary(states),
  distance: standardize(),
  hour: hourOfDay({ from: 'date' }),
  weekday: dayOfWeek({ from: 'date' }),
  late: label(greaterThan(15, { from: 'delay' })),
}).fit(parts.train), context)

// Where all workers find them: on a real cluster, HDFS or an object store.
await run(pipe(parts.train, inputs.apply, shuffle({ seed: 1 }), writeTfRecords(`${out}/train`, { shards: 4, compression: 'gzip', ifExists })), context)
await run(pipe(parts.test, inputs.apply, writeTfRecords(`${out}/test`, { ifExists })), context)

// On machines of their own, each process would call trainOnCluster(model, clusterFromEnv(), …) with the same options.
const cluster = await run(startLocalCluster({ ps: 2, workers: 2 }), context)
const model = delayModel(inputs, { seed: 1, l2: 1e-3 })
const test = readTfRecords(`${out}/test@*`, { schema: inputs.output })
try {
  const report = await run(trainOnCluster(model, cluster, {
    data: { files: `${out}/train-*`, compression: 'gzip', shuffle: { records: 10_000, seed: 1 } }, label: 'late', labelDType: 'int64', batchSize: 128, epochs: 12,
    validation: { data: test, everySteps: 500 }, checkpoints: { folder: `${out}/checkpoints-${Date.now()}`, everySteps: 500 }, tensorBoard: `${out}/tensorboard`,
    onEvaluate: ({ globalStep, metrics }) => console.log(`step ${globalStep}: validation loss ${metrics['loss']?.toFixed(4)}`),
    onRecovery: ({ task, what, note }) => console.log(`${task} ${what}: ${note}`),
  }), context)
  console.log(`${report.globalStep} steps in ${report.seconds.toFixed(1)} s by ${report.workers.map(({ task, rows }) => `${task} (${rows} rows)`).join(' and ')}`)
} finally {
  await cluster.stop()
}

const columns = { label: 'late', probability: 'probability' } as const
const tested = await run(pipe(test, predictions(model, ['probability']), score(columns)), context)
const { url } = await run(exportSavedModel(model, `${out}/saved-model/1`, { inputs, ifExists }), context)
const predictor = await run(loadSavedModel(url))
const raw = pipe(parts.test, inputs.addLabels, predictor.apply({ outputs: { probability: field.float32() } }))
const served = await run(pipe(raw, score(columns)), context)
console.log(`${tested.rows} test flights: AUC ${tested.auc.toFixed(3)}, log loss ${tested.logLoss.toFixed(4)}
The exported model, from raw flights: AUC ${served.auc.toFixed(3)}, log loss ${served.logLoss.toFixed(4)}`)
