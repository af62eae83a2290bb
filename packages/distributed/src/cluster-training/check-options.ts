import { describeValue, failure, requireCount, requireOneOf } from '@millrace/core'
import { requireOptimizer } from '../optimizers/optimizer.js'
import type { ClusterTrainingOptions } from './options.js'

const USE = 'of trainOnCluster'

/** Whole numbers from 1 on. */
const counts = ({ batchSize, epochs, steps, inFlight, stepsPerRun, validation, checkpoints, logEverySteps, synchronous }: ClusterTrainingOptions) => ({
  batchSize, epochs, steps, inFlight, stepsPerRun, logEverySteps,
  'validation.everySteps': validation?.everySteps, 'validation.batchSize': validation?.batchSize,
  'checkpoints.everySteps': checkpoints?.everySteps, 'synchronous.aggregate': synchronous?.aggregate,
})

/** Numbers above 0, which may be infinite. */
const spans = ({ checkpoints, recovery }: ClusterTrainingOptions) => ({
  'checkpoints.everySeconds': checkpoints?.everySeconds, 'recovery.stepTimeoutMs': recovery?.stepTimeoutMs,
})

/** Numbers from 0 on, which may be infinite. */
const bounds = ({ recovery, fetchLimitBytes }: ClusterTrainingOptions) => ({
  'recovery.maxRestarts': recovery?.maxRestarts, 'recovery.timeoutMs': recovery?.timeoutMs, 'recovery.backoffMs': recovery?.backoffMs, fetchLimitBytes,
})

const badNumber = (name: string, value: number, wanted: string): Error =>
  failure({ tag: 'Usage', code: 'BAD_NUMBER', problem: `${name} ${USE} must be a number ${wanted}, and is ${String(value)}` })

/** Sees that options make sense, before anything is begun. @throws `Usage` */
export const checkOptions = (options: ClusterTrainingOptions): void => {
  checkGiven(options)
  for (const [name, value] of Object.entries(counts(options))) if (value !== undefined) requireCount(value, 1, `${name} ${USE}`)
  for (const [name, value] of Object.entries(spans(options))) if (value !== undefined && !(value > 0)) throw badNumber(name, value, 'above 0')
  for (const [name, value] of Object.entries(bounds(options))) if (value !== undefined && !(value >= 0)) throw badNumber(name, value, 'from 0 on')
  checkStop(options)
  checkData(options)
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const missing = (name: string, value: unknown, remedy: string): Error =>
  failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `${name} ${USE} is ${describeValue(value)}`, remedy })

/** Of callers without types: what is needed is there, and of a few words it is one. */
const checkGiven = (options: ClusterTrainingOptions): void => {
  if (!isObject(options)) throw missing('the object of options', options, 'Give { data, label }.')
  const { data, label, checkpoints, optimizer, delivery, server } = options
  if (!isObject(data) && typeof data !== 'function') throw missing('data', data, 'Give a stream, { files }, or a function that makes a source.')
  if (![label].flat().every((one) => typeof one === 'string')) throw missing('label', label, 'Name a column, or a label of inputs.')
  if (checkpoints !== undefined && typeof checkpoints.folder !== 'string') throw missing('checkpoints.folder', checkpoints.folder, 'Give a path or URL that all parameter servers share.')
  if (optimizer !== undefined) requireOptimizer(optimizer)
  if (delivery !== undefined) requireOneOf(`delivery ${USE}`, delivery, ['at-most-once', 'at-least-once'])
  if (server !== undefined) requireOneOf(`server ${USE}`, server, ['auto', 'host', 'external'])
}

const checkStop = ({ stopAt, validation }: ClusterTrainingOptions): void => {
  if (stopAt === undefined) return
  if (validation === undefined) {
    throw failure({ tag: 'Usage', code: 'NO_VALIDATION', problem: 'stopAt needs rows to measure', remedy: 'Give validation: { data, everySteps }.' })
  }
  const { metric, atMost, atLeast } = stopAt
  const given = [atMost, atLeast].filter((bound) => bound !== undefined)
  if (given.length === 0 || given.some(Number.isNaN)) {
    throw failure({ tag: 'Usage', code: 'NO_BOUND', problem: `stopAt does not say where "${metric}" stops the training`, remedy: 'Give it a number as atMost or atLeast.' })
  }
}

/** Options that only a stream has would be passed over for what the servers read. */
const checkData = ({ data, shuffle, epochs }: ClusterTrainingOptions): void => {
  if (shuffle !== undefined && !(typeof data === 'object' && 'open' in data)) {
    throw failure({
      tag: 'Usage', code: 'SHUFFLE', problem: 'shuffle mixes the rows of a stream, and the data is read by the servers',
      remedy: typeof data === 'function' ? 'Let the source mix its rows.' : 'Give data.shuffle: { records, seed }.',
    })
  }
  if (epochs !== undefined && typeof data === 'function') {
    throw failure({ tag: 'Usage', code: 'EPOCHS', problem: 'how often a source is read is its own affair', remedy: 'Give epochs to the source, as tfRecordSource takes them.' })
  }
}
