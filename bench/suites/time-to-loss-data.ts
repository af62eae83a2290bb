import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type * as tf from '@tensorflow/tfjs'
import { cache, pipe, run, shuffle, take } from '@millrace/core'
import { adam, evaluationGraph, replicaDeviceSetter, tfRecordSource, trainingGraph, type TrainingGraphOptions } from '@millrace/distributed'
import { readModel, type ModelDescription } from '@millrace/export'
import { readParquet, readTfRecords, writeTfRecords } from '@millrace/formats'
import { partsOf, source, spec } from '../../examples/cluster/flights.js'
import { delayModel } from '../../examples/quickstart/model.js'
import { flight } from '../../examples/quickstart/schemas.js'

export const BATCH = 512
const LEARNING_RATE = 0.003
const L2 = 1e-6
const ALL_FLIGHTS = 3_000_000
/** As many as are measured again and again. */
const VALIDATION_ROWS = 20_000
const SHUFFLE = { records: 20_000, seed: 1 }

/** What all contenders train on: TFRecords of transformed rows, mixed, and the model with its first weights. */
export interface FlightData {
  readonly train: string
  readonly validation: string
  readonly makeModel: () => tf.LayersModel
  readonly validationRows: () => ReturnType<typeof readTfRecords>
}

/** Makes the shards of as many flights as the scale says, unless they are there already. */
export const flightData = async (scale: number, say: (line: string) => void): Promise<FlightData> => {
  const flights = Math.max(20_000, Math.round(ALL_FLIGHTS * Math.min(1, scale)))
  const folder = resolve('bench/data', `flights-${flights}`)
  const parts = partsOf(pipe(readParquet(`${source}/flights-3m.parquet`, { schema: flight }), take(flights)))
  const inputs = await run(spec.fit(parts.train))
  const done = join(folder, 'done')
  if (!existsSync(done)) {
    say(`writing ${flights} flights to bench/data`)
    await mkdir(folder, { recursive: true })
    const ifExists = 'replace'
    await run(pipe(parts.train, inputs.apply, shuffle({ seed: 1, windowRows: flights }), writeTfRecords(join(folder, 'train'), { shards: 4, ifExists })))
    await run(pipe(parts.test, inputs.apply, shuffle({ seed: 2, windowRows: flights }), take(VALIDATION_ROWS), writeTfRecords(join(folder, 'validation'), { ifExists })))
    await writeFile(done, '')
  }
  return {
    train: join(folder, 'train-*-of-*'),
    validation: join(folder, 'validation-*-of-*'),
    makeModel: () => delayModel(inputs, { seed: 1, l2: L2 }),
    validationRows: () => pipe(readTfRecords(join(folder, 'validation@*'), { schema: inputs.output }), cache()),
  }
}

/** What Python has to know of a worker's graph and of the one that measures. Names are full. */
export interface SessionGraphs {
  readonly training: string
  readonly initialize: string
  readonly openInput: string
  readonly train: string
  readonly globalStep: string
  readonly evaluation: string
  readonly loss: string
  /** Placeholders by column. */
  readonly feeds: Readonly<Record<string, string>>
}

/** Writes the graphs that TensorFlow sessions run, one a worker: what `trainOnCluster` makes, a step a call. */
export const sessionGraphs = async (data: FlightData, folder: string, workers: number): Promise<readonly SessionGraphs[]> => {
  const model = data.makeModel()
  // The same for all: TensorFlow.js names the layers of another model in another way.
  const description = await readModel(model)
  model.dispose()
  return Promise.all(Array.from({ length: workers }, (_, worker) => graphsOfWorker(data, description, folder, worker, workers)))
}

const graphsOfWorker = async (data: FlightData, description: ModelDescription, folder: string, worker: number, workers: number): Promise<SessionGraphs> => {
  const device = `/job:worker/task:${worker}`
  const shard = { index: worker, count: workers }
  const options: TrainingGraphOptions = {
    loss: 'binaryCrossentropy', optimizer: adam({ learningRate: LEARNING_RATE }), label: 'late', labelDType: 'int64', variables: replicaDeviceSetter({ ps: 1 }), device, seed: 1 + worker,
  }
  const training = trainingGraph(description, { ...options, source: tfRecordSource({ files: data.train, shard, batchSize: BATCH, shuffle: SHUFFLE }) })
  const evaluation = evaluationGraph(description, options)
  const [trainingFile, evaluationFile] = ['training', 'evaluation'].map((name) => join(folder, `${name}-${worker}-of-${workers}`)) as [string, string]
  await writeFile(trainingFile, training.graph.encode())
  await writeFile(evaluationFile, evaluation.graph.encode())
  return {
    training: trainingFile, initialize: training.initialize.name, openInput: training.source!.initialize.name, train: training.train.name, globalStep: training.globalStep.value.name,
    evaluation: evaluationFile, loss: evaluation.loss.name,
    feeds: Object.fromEntries(Object.entries(evaluation.feeds).map(([column, { name }]) => [column, name])),
  }
}

/** Weights in the model's order, and the numbers that a contender needs to make the same model. */
export const plainModel = (data: FlightData) => {
  const model = data.makeModel()
  const weights = model.getWeights().map((weight) => ({ shape: weight.shape, values: Array.from(weight.dataSync()) }))
  model.dispose()
  return { weights, batch: BATCH, learningRate: LEARNING_RATE, l2: L2, shuffle: SHUFFLE.records }
}

export const servedTraining = (data: FlightData) => ({ files: data.train, shuffle: SHUFFLE })
