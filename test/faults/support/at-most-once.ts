import type { ClusterTrainingReport } from '@millrace/distributed'
import { expect } from 'vitest'
import { BATCH, sumOf } from './counting-model.js'

/** Rows as the report tells of them. */
export const toldOf = ({ workers }: Pick<ClusterTrainingReport, 'workers'>) => ({
  rows: sumOf(workers.map(({ rows }) => rows)),
  repeated: sumOf(workers.map(({ repeatedRows }) => repeatedRows)),
  uncertain: sumOf(workers.map(({ uncertainRows }) => uncertainRows)),
})

/** Under at-most-once, with variables that kept their values: no row twice, and none left out that is not accounted for. */
export const expectAtMostOnce = (counts: readonly number[], report: ClusterTrainingReport): void => {
  const { rows, repeated, uncertain } = toldOf(report)
  expect(counts.filter((count) => count > 1)).toEqual([])
  expect(repeated).toBe(0)
  const done = sumOf(counts)
  expect(done).toBeGreaterThanOrEqual(rows)
  expect(done).toBeLessThanOrEqual(rows + uncertain)
  // A step counts when its update is done; that of a server that died between them does not.
  expect(report.globalStep * BATCH).toBeGreaterThanOrEqual(rows)
  expect(report.globalStep * BATCH).toBeLessThanOrEqual(done)
}
