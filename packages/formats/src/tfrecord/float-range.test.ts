import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, fromRows, pipe, run, type Row } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorOf } from '../../../../test/support/error-of.js'
import { readSequenceExamples, readTfRecords, writeSequenceExamples, writeTfRecords } from './index.js'

const schema = { one: field.nullable(field.float64()), many: field.list(field.float64()), steps: field.list(field.list(field.float64())) }
type Rows = readonly Row<typeof schema>[]

/** Few rows are written one by one, many by the kernel. */
const rowsWith = (count: number, last: Partial<Row<typeof schema>>): Rows => {
  const plain = { one: 1.5, many: [NaN, Infinity, -Infinity], steps: [[Infinity], [NaN]] }
  return [...Array.from({ length: count - 1 }, () => plain), { ...plain, ...last }]
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-float-range-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const { steps: _, ...flat } = schema
const examples = (rows: Rows) => run(pipe(fromRows(flat, rows.map(({ one, many }) => ({ one, many }))), writeTfRecords(join(folder, 'x'), { ifExists: 'replace' })))
const folders = (rows: Rows) => run(pipe(fromRows({ ...flat, k: field.utf8() }, rows.map(({ one, many }) => ({ one, many, k: 'a' }))), writeTfRecords(join(folder, 'p'), { ifExists: 'replace', partitionBy: ['k'] })))
const sequences = (rows: Rows) => run(pipe(fromRows(schema, rows), writeSequenceExamples(join(folder, 's'), { featureLists: ['steps'], ifExists: 'replace' })))

describe.each([2, 1000])('%i rows with a finite float64 that float32 has as an infinity', (count) => {
  it.each([['one', { one: 1e300 }], ['one', { one: -3.5e38 }], ['many', { many: [1, 1e39] }]])('in column %s: are a bad record, and nothing is written', async (column, last) => {
    for (const write of [examples, folders, sequences]) {
      expect(await errorOf(write(rowsWith(count, last)))).toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { column } })
    }
    expect(existsSync(join(folder, 'x-00000-of-00001'))).toBe(false)
  })

  it('in a step of a feature list: are a bad record', async () => {
    expect(await errorOf(sequences(rowsWith(count, { steps: [[1], [1e300]] })))).toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { column: 'steps' } })
  })
})

it('numbers near the edge of float32, NaN and infinities that were given, and nulls are written', async () => {
  // Rounds to the largest float32.
  const edge = 3.4028235e38
  const rows = rowsWith(100, { one: edge, many: [-edge, 1e-300] })
  await examples(rows)
  const { length, [length - 1]: last, 0: first } = await run(pipe(readTfRecords(join(folder, 'x@1'), { schema: { one: field.float32(), many: field.list(field.float32()) } }), collect()))
  expect([length, first, last]).toEqual([100, { one: 1.5, many: [NaN, Infinity, -Infinity] }, { one: Math.fround(edge), many: [-Math.fround(edge), 0] }])
  await sequences([{ ...rows[0]!, one: null }])
  const back = readSequenceExamples(join(folder, 's@1'), { context: { one: field.nullable(field.float32()) }, featureLists: { steps: field.list(field.list(field.float32())) } })
  expect(await run(pipe(back, collect()))).toEqual([{ one: null, steps: [[Infinity], [NaN]] }])
})
