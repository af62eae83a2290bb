import { failure, rebatch, type ColumnMap } from '@millrace/core'
import { tensorNumbers, type CallOptions, type FeedValue, type Session } from '@millrace/export'
import type { Evaluation } from '../training-graph/evaluation.js'
import { feedOf } from './fed-input.js'
import type { ClusterValidation, StopAtMetric } from './options.js'
import type { ClusterEvaluation } from './report.js'

/** Rows of a step: nothing is learnt between, so it may be larger than in training. */
const VALIDATION_ROWS = 1024

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

/** Whether an evaluation is good enough to stop. @throws `Usage` for a metric that is not measured */
export const reaches = ({ metrics }: ClusterEvaluation, { metric, atMost, atLeast }: StopAtMetric): boolean => {
  const value = metrics[metric]
  if (value === undefined) throw failure({ tag: 'Usage', code: 'NO_SUCH_METRIC', problem: `stopAt watches "${metric}", which is not measured`, remedy: `Measured are: ${Object.keys(metrics).join(', ')}.` })
  return (atMost === undefined || value <= atMost) && (atLeast === undefined || value >= atLeast)
}
