import { failure, rebatch, requireColumn, type ColumnMap } from '@millrace/core'
import { tensorNumbers, type CallOptions, type FeedValue, type Session } from '@millrace/export'
import type { Evaluation } from '../training-graph/evaluation.js'
import { feedOf } from './fed-input.js'
import type { ClusterTrainingOptions, ClusterValidation, StopAtMetric } from './options.js'
import type { ClusterEvaluation } from './report.js'

/** Rows of a step: nothing is learnt between, so it may be larger than in training. */
const VALIDATION_ROWS = 1024

/** Before the first step. @throws `Usage` for a metric to stop at that is not measured, `Schema` for validation without a column of the training */
export const checkValidation = ({ feeds, metrics }: Pick<Evaluation, 'feeds' | 'metrics'>, { validation, stopAt }: Pick<ClusterTrainingOptions, 'validation' | 'stopAt'>): void => {
  if (validation !== undefined) for (const name of Object.keys(feeds)) requireColumn(validation.data.schema, name, 'the validation')
  if (stopAt !== undefined) requireMeasured(stopAt.metric, ['loss', ...Object.keys(metrics)])
}

const requireMeasured = (metric: string, measured: readonly string[]): void => {
  if (measured.includes(metric)) return
  throw failure({ tag: 'Usage', code: 'NO_SUCH_METRIC', problem: `stopAt watches "${metric}", which is not measured`, remedy: `Measured are: ${measured.join(', ')}.` })
}

/** Measures the validation's rows with the variables as they are. */
export const evaluate = async (session: Session, evaluation: Evaluation, { data, batchSize = VALIDATION_ROWS }: ClusterValidation, globalStep: number, limits: CallOptions): Promise<ClusterEvaluation> => {
  const feeds = Object.entries(evaluation.feeds)
  const names = ['loss', ...Object.keys(evaluation.metrics)]
  const step = await session.makeCallable({ feeds: feeds.map(([, { name }]) => name), fetches: [evaluation.loss.name, ...Object.values(evaluation.metrics).map(({ name }) => name)] }, limits)
  const sums = names.map(() => 0)
  let rows = 0
  for await (const batch of rebatch(batchSize)(data).open({ signal: limits.signal })) {
    const values = feeds.map(([name, tensor]): FeedValue => feedOf((batch.columns as ColumnMap)[name]!, name, tensor))
    const measured = await step.run(values, limits)
    measured.forEach((one, index) => { sums[index] = (sums[index] ?? 0) + (tensorNumbers(one)[0] ?? NaN) * batch.numRows })
    rows += batch.numRows
  }
  await step.release()
  if (rows === 0) throw failure({ tag: 'Usage', code: 'NO_ROWS', problem: 'there is nothing to measure: the stream that is given as validation has no rows', remedy: 'Check its source, its filters and its split.' })
  return { globalStep, rows, metrics: Object.fromEntries(names.map((name, index) => [name, (sums[index] ?? NaN) / rows])) }
}

/** Whether an evaluation is good enough to stop. */
export const reaches = ({ metrics }: ClusterEvaluation, { metric, atMost = Infinity, atLeast = -Infinity }: StopAtMetric): boolean => {
  const value = metrics[metric] ?? NaN
  return value <= atMost && value >= atLeast
}
