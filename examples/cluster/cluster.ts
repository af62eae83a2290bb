/**
 * The flights of the quickstart, on a cluster of TensorFlow servers on this machine: two parameter servers and two workers, which read
 * the training rows themselves. Then the model is exported.
 *
 *     npm run example:cluster
 *
 * The servers need libtensorflow: an installed tfjs-node, `LIBTENSORFLOW` with the folder of an installed Python package `tensorflow`, or
 * what `npm run peers:setup` makes.
 */
import { field, fromUnknown, pipe, run, shuffle, terminalProgress } from '@millrace/core'
import { predictions, score, startLocalCluster, train, trainOnCluster, type BinaryScore } from '@millrace/distributed'
import { exportSavedModel, loadSavedModel, nativeLibrary } from '@millrace/export'
import { readJson, readTfRecords, writeTfRecords } from '@millrace/formats'
import { delayModel } from '../quickstart/model.js'
import { flight } from '../quickstart/schemas.js'
import { partsOf, source, spec } from './flights.js'

const context = { progress: terminalProgress() }
const out = 'out/cluster'
const ifExists = 'replace'

// Before the work, not after it: without one no server starts.
const missing = await run(nativeLibrary()).then(() => undefined, fromUnknown)
if (missing !== undefined) {
  console.error(`${missing.message}\nIn this checkout, npm run peers:setup makes one.`)
  process.exit(1)
}

// Flights with the states of both airports, split by time; features are fitted on the training rows alone.
const parts = partsOf(readJson(`${source}/flights-20k.json`, { schema: flight }))
const inputs = await run(spec.fit(parts.train), context)

// Raw rows, where all workers find them: on a real cluster, HDFS or an object store.
await run(pipe(parts.train, shuffle({ seed: 1 }), writeTfRecords(`${out}/train`, { shards: 4, compression: 'gzip', ifExists })), context)

// Two parameter servers hold the variables; two workers read, apply the features, and compute.
const cluster = await run(startLocalCluster({ ps: 2, workers: 2 }), context)
const model = delayModel(inputs, { seed: 1, l2: 1e-3 })
const training = { label: 'late', batchSize: 256, epochs: 12 } as const
try {
  // On machines of their own, each process would call trainOnCluster(model, clusterFromEnv(), …) with the same options.
  const report = await run(trainOnCluster(model, cluster, {
    ...training, inputs, data: { files: `${out}/train-*`, compression: 'gzip', shuffle: { records: 10_000, seed: 1 } },
    validation: { data: parts.test, everySteps: 200 }, checkpoints: { folder: `${out}/checkpoints-${Date.now()}`, everySteps: 400 }, tensorBoard: `${out}/tensorboard`,
    onEvaluate: ({ globalStep, metrics }) => console.log(`step ${globalStep}: log loss of the test flights ${metrics['loss']?.toFixed(4)}`),
    onRecovery: ({ task, what, note }) => console.log(`${task} ${what}: ${note}`),
  }), context)
  console.log(`${report.globalStep} steps in ${report.seconds.toFixed(1)} s`)
  for (const { task, steps, rows, staleness, restarts } of report.workers) {
    console.log(`  ${task}: ${steps} steps, ${rows} rows, variables ${staleness.mean.toFixed(1)} updates old on average, ${restarts} restarts`)
  }
} finally {
  await cluster.stop()
}

// The same on one machine, in this process.
const alone = delayModel(inputs, { seed: 1, l2: 1e-3 })
const { runtime } = await run(train(alone, { ...training, data: pipe(readTfRecords(`${out}/train@*`, { schema: parts.train.schema }), inputs.apply), shuffle: { seed: 1 } }), context)

// The exported model takes raw flights.
const { url } = await run(exportSavedModel(model, `${out}/saved-model/1`, { inputs, ifExists }), context)
const columns = { label: 'late', probability: 'probability' } as const
const measured = async (of: typeof model): Promise<BinaryScore> => run(pipe(parts.test, inputs.apply, predictions(of, ['probability']), score(columns)), context)
const predictor = await run(loadSavedModel(url))
const served = await run(pipe(parts.test, inputs.addLabels, predictor.apply({ outputs: { probability: field.float32() } }), score(columns)), context)
const line = (name: string, { logLoss, auc }: BinaryScore): string => `  ${name.padEnd(36)} log loss ${logLoss.toFixed(4)}   AUC ${auc.toFixed(3)}`
console.log(`
On ${served.rows} test flights that no model has trained on:
${line('one machine', await measured(alone))}   (${runtime.description})
${line('2 parameter servers, 2 workers', await measured(model))}
${line('the exported model, from raw flights', served)}

The model is in ${url}
  saved_model_cli show --dir ${url} --all
  tensorboard --logdir ${out}/tensorboard`)
