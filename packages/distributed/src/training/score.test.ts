import { field, fromRows, pipe, run } from '@millrace/core'
import { expect, it } from 'vitest'
import { score } from './score.js'

const schema = { late: field.int32(), p: field.float64(), note: field.utf8() }
const rows = [
  { late: 1, p: 0.9, note: 'a' },
  { late: 0, p: 0.2, note: 'b' },
  { late: 1, p: 0.4, note: 'c' },
  { late: 0, p: 0.5, note: 'd' },
]

it('scores all rows of a stream, whatever its batches', async () => {
  const expected = -(Math.log(0.9) + Math.log(0.8) + Math.log(0.4) + Math.log(0.5)) / 4
  for (const batchRows of [1, 3, 10]) {
    const result = await run(pipe(fromRows(schema, rows, { batchRows }), score({ label: 'late', probability: 'p' })))
    expect(result).toMatchObject({ rows: 4, positiveRate: 0.5, auc: 0.75 })
    expect(result.logLoss).toBeCloseTo(expected, 12)
  }
})

it('names a column that is missing, and a value that is no number', async () => {
  const nullable = { late: field.int32(), p: field.nullable(field.float64()) }
  const stream = fromRows(nullable, [{ late: 1, p: 0.5 }, { late: 0, p: null }])
  await expect(run(pipe(stream, score({ label: 'late', probability: 'p' })))).rejects.toMatchObject({ code: 'NOT_A_NUMBER', position: { column: 'p', record: 1 } })
  await expect(run(score({ label: 'late', probability: 'q' as 'p' })(stream))).rejects.toMatchObject({ code: 'NO_SUCH_COLUMN' })
})
