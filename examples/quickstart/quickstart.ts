/**
 * From real flights to a model that serves, on this machine, without Python:
 *
 *     npm run quickstart             20,000 flights, from JSON
 *     npm run quickstart -- --full   3,000,000 flights, from Parquet
 */
import { rm } from 'node:fs/promises'
import {
  aggregate, cache, chooseBackend, count, dayOfWeek, features, field, greaterThan, hourOfDay, job, join, label, mean, pipe, preview, rename,
  select, shuffle, sort, split, standardize, statistics, terminalProgress, timeline, vocabulary, withColumn, writeText,
} from '@millrace/core'
import { predictions, score, train } from '@millrace/distributed'
import { exportFrozenGraph, exportSavedModel, loadSavedModel } from '@millrace/export'
import { quarantine, readCsv, readJson, readParquet, readTfRecords, writeTfRecords } from '@millrace/formats'
import { delayModel } from './model.js'
import { airport, flight } from './schemas.js'

const full = process.argv.includes('--full')
const data = 'node_modules/vega-datasets/data'
const out = 'out/quickstart'
const ifExists = 'replace'
await rm(`${out}/tensorboard`, { recursive: true, force: true })
const { stage, seconds } = timeline({ progress: terminalProgress() })

// Read. A stream is a description: nothing is read until something asks for rows.
const source = { schema: flight, onBadRecord: quarantine(`${out}/rejected.jsonl`) }
const flights = full ? readParquet(`${data}/flights-3m.parquet`, source) : readJson(`${data}/flights-20k.json`, source)
const airports = readCsv(`${data}/airports.csv`, { schema: airport })
const overview = await stage('read', statistics()(flights))
console.log(`${overview.rows} flights read, ${overview.tally.rejected} rejected\n${overview}`)

// Join both ends of each flight to their airports, and look at the delays by origin.
const journeys = pipe(
  flights,
  join(airports, { left: 'origin', right: 'iata', kind: 'left' }),
  rename({ state: 'originState' }),
  join(airports, { left: 'destination', right: 'iata', kind: 'left' }),
  rename({ state: 'destinationState' }),
  cache(),
)
const byOrigin = pipe(journeys, aggregate({ by: ['origin'], values: { flights: count(), meanDelay: mean('delay') } }))
console.log(`${await stage('join and aggregate', preview(pipe(byOrigin, sort([{ by: 'flights', order: 'desc' }])), 5))}`)

// Split by time. Describe the features once, and fit them on the training rows alone.
const parts = pipe(journeys, split({ train: 0.72, validation: 0.08, test: 0.2 }, { byTime: 'date' }))
const codes = { topK: 250, minFrequency: 10, oovBuckets: 1 }
const states = { topK: 60, oovBuckets: 1 }
const spec = features({
  origin: vocabulary(codes),
  destination: vocabulary(codes),
  originState: vocabulary(states),
  destinationState: vocabulary(states),
  distance: standardize(),
  hour: hourOfDay({ from: 'date' }),
  weekday: dayOfWeek({ from: 'date' }),
  late: label(greaterThan(15, { from: 'delay' })),
})
const inputs = await stage('fit features', spec.fit(parts.train))

// Write what the model trains on, mixed, since the flights come by date; and the raw flights that it will be asked about.
const written = {
  train: await stage('write', pipe(parts.train, inputs.apply, shuffle({ seed: 1, windowRows: 4_000_000 }), writeTfRecords(`${out}/train`, { shards: 4, compression: 'gzip', ifExists }))),
  validation: await stage('write', pipe(parts.validation, inputs.apply, writeTfRecords(`${out}/validation`, { ifExists }))),
  test: await stage('write', pipe(parts.test, writeTfRecords(`${out}/test`, { shards: 2, ifExists }))),
}
await stage('write', inputs.writeVocabularies(`${out}/vocabularies`, { ifExists }))
const trainRecords = readTfRecords(`${out}/train@*`, { schema: inputs.output })
const validationRecords = readTfRecords(`${out}/validation@*`, { schema: inputs.output })
const test = pipe(readTfRecords(`${out}/test@*`, { schema: parts.test.schema }), inputs.addLabels)

// Train three models that differ in their seed alone. Early stopping looks at the last tenth of the training time.
const backend = await stage('choose backend', chooseBackend())
console.log(`Training on ${backend.description}`)
const columns = { label: 'late', probability: 'probability' } as const
const candidate = async (seed: number) => {
  const model = delayModel(inputs, { seed, l2: full ? 1e-6 : 1e-3 })
  const training = await stage('train', train(model, {
    data: trainRecords, validation: validationRecords, label: 'late', batchSize: full ? 2048 : 128, epochs: full ? 4 : 30,
    shuffle: { seed }, earlyStopping: { patience: 4 }, tensorBoard: `${out}/tensorboard/seed-${seed}`,
  }))
  const tested = pipe(parts.test, inputs.apply, predictions(model, ['probability']))
  return { seed, model, training, validationLoss: training.epochs[training.bestEpoch - 1]!.valLoss!, test: await stage('score', score(columns)(tested)) }
}
const candidates = [await candidate(1), await candidate(2), await candidate(3)]
const best = candidates.reduce((a, b) => (b.validationLoss < a.validationLoss ? b : a))
const median = [...candidates].sort((a, b) => a.test.logLoss - b.test.logLoss)[1]!

// Export the best with its features inside, load what was written, and ask it about raw flights.
const exported = await stage('export', exportSavedModel(best.model, `${out}/saved-model/1`, { inputs, ifExists }))
const frozen = await stage('export', exportFrozenGraph(best.model, `${out}/frozen.pb`, { inputs, ifExists }))
const predictor = await stage('load', loadSavedModel(exported.url))
const predicted = pipe(test, predictor.apply({ outputs: { probability: field.float32() } }))
console.log(`${await stage('predict', preview(pipe(predicted, select('date', 'origin', 'destination', 'delay', 'late', 'probability')), 5))}`)
const served = await stage('predict', score(columns)(predicted))

// Two baselines: the share of late flights in training, and a table of that share by hour.
const { positiveRate } = await stage('score', score({ label: 'late', probability: 'late' })(trainRecords))
const byHour = pipe(trainRecords, aggregate({ by: ['hour'], values: { rate: mean('late') } }))
const baselines = {
  baseRate: await stage('score', pipe(test, withColumn('rate', field.float64(), () => positiveRate), score({ label: 'late', probability: 'rate' }))),
  hourTable: await stage('score', pipe(parts.test, inputs.apply, join(byHour, { on: 'hour' }), score({ label: 'late', probability: 'rate' }))),
}

const margin = (name: keyof typeof baselines) => ({ logLoss: baselines[name].logLoss - median.test.logLoss, auc: median.test.auc - baselines[name].auc })
const margins = { overBaseRate: margin('baseRate'), overHourTable: margin('hourTable') }
const line = (name: string, { logLoss, auc }: { logLoss: number, auc: number }) => `${name.padEnd(36)} log loss ${logLoss.toFixed(4)}   AUC ${auc.toFixed(3)}`
console.log(`
On ${served.rows} test flights that no model has seen:
  ${line('share of late flights', baselines.baseRate)}
  ${line('share of late flights by hour', baselines.hourTable)}
  ${line('this model, median of three seeds', median.test)}
  ${line('the exported model, from raw values', served)}

Next:
  saved_model_cli show --dir ${exported.url} --all
  tensorflow_model_server --rest_api_port=8501 --model_name=delay --model_base_path=$PWD/${out}/saved-model
  tensorboard --logdir ${out}/tensorboard`)

await stage('report', job(() => writeText(`${out}/report.json`, JSON.stringify({
  flights: overview.tally,
  rows: { train: written.train.rows, validation: written.validation.rows, test: written.test.rows },
  vocabularies: exported.vocabularies,
  backend,
  metrics: { baselines, median: median.test, served, margins, seeds: candidates.map(({ seed, test, validationLoss, training }) => ({ seed, test, validationLoss, bestEpoch: training.bestEpoch })) },
  savedModel: { url: exported.url, signatures: exported.signatures, seed: best.seed },
  frozenGraph: { url: frozen.url, initializer: frozen.initializer, signatures: frozen.signatures },
  seconds: seconds(),
}, null, 2), { ifExists })))
