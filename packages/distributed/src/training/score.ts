import { failure, job, requireColumn, type ColumnMap, type Job, type Schema, type Stream } from '@millrace/core'
import { auc, logLoss } from './metrics.js'

/** Columns that {@link score} reads. */
export interface ScoreColumns<S extends Schema> {
  /** Labels: 0 and 1. */
  readonly label: keyof S & string
  /** Predicted probability of 1. */
  readonly probability: keyof S & string
}

/** How well probabilities predict labels. */
export interface BinaryScore {
  readonly rows: number
  /** Share of rows whose label is 1. */
  readonly positiveRate: number
  /** Mean negative log likelihood, in nats. */
  readonly logLoss: number
  /** Area under the ROC curve; 0.5 for predictions that know nothing. */
  readonly auc: number
}

const numberAt = (name: string, value: unknown, record: number): number => {
  if (typeof value === 'number') return value
  throw failure({ tag: 'Schema', code: 'NOT_A_NUMBER', problem: `score takes numbers that are not null, and this is ${value === null ? 'null' : typeof value}`, position: { column: name, record } })
}

/**
 * Scores predicted probabilities against labels, over all rows.
 *
 * @throws `Schema` for columns that are missing or hold no numbers, `Usage` for labels other than 0 and 1 or of one class only
 * @example
 * const { logLoss, auc } = await run(pipe(test, predictor.apply({ outputs }), score({ label: 'late', probability: 'probability' })))
 */
export const score =
  <S extends Schema>({ label, probability }: ScoreColumns<S>) =>
  (stream: Stream<S>): Job<BinaryScore> =>
    job(async ({ signal, progress }) => {
      const schema = await stream.findSchema({ signal, progress })
      for (const name of [label, probability]) requireColumn(schema, name, 'score')
      const labels: number[] = []
      const probabilities: number[] = []
      for await (const batch of stream.open({ signal, progress, columns: [label, probability] })) {
        const columns = batch.columns as ColumnMap
        for (let row = 0; row < batch.numRows; row++) {
          labels.push(numberAt(label, columns[label]!.get(row), labels.length))
          probabilities.push(numberAt(probability, columns[probability]!.get(row), probabilities.length))
        }
      }
      return {
        rows: labels.length,
        positiveRate: labels.reduce((sum, one) => sum + one, 0) / labels.length,
        logLoss: logLoss(labels, probabilities),
        auc: auc(labels, probabilities),
      }
    })
