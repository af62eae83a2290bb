import { field, makeBuilder } from '@millrace/core'
import { expect, it } from 'vitest'
import type { ConvertedColumn } from './convert-values.js'
import { Misfit } from './misfit.js'
import { goodRows, type RowRejection } from './sound-rows.js'

const column = (faults: { readonly [row: number]: string }): ConvertedColumn => ({
  column: makeBuilder(field.int32()).finish(),
  faults: new Map(Object.entries(faults).map(([row, code]) => [Number(row), new Misfit({ code, message: (slot) => `${slot} is bad` }, Number(row), String)])),
})

const told = async (counts: boolean): Promise<unknown> => {
  const rejected: unknown[] = []
  const skipped: unknown[] = []
  const rejection: RowRejection = {
    reject: async (row, name, { code, message }) => void rejected.push([row, name, code, message]),
    skip: counts ? async (code, count) => void skipped.push([code, count]) : undefined,
  }
  const good = await goodRows({ a: column({ 1: 'NULL', 3: 'BAD_TEXT', 9: 'NULL' }), b: column({ 3: 'OUT_OF_RANGE', 4: 'OUT_OF_RANGE', 5: 'NULL' }) }, 1, 7, rejection)
  return { good: good && [...good], rejected, skipped }
}

it('each row that does not fit is told of by its first column, or they are counted by their codes', async () => {
  expect(await told(false)).toEqual({ good: [1, 5], skipped: [], rejected: [[1, 'a', 'NULL', '1 is bad'], [3, 'a', 'BAD_TEXT', '3 is bad'], [4, 'b', 'OUT_OF_RANGE', '4 is bad'], [5, 'b', 'NULL', '5 is bad']] })
  expect(await told(true)).toEqual({ good: [1, 5], rejected: [], skipped: [['NULL', 2], ['BAD_TEXT', 1], ['OUT_OF_RANGE', 1]] })
})
