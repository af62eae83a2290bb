import { failure, type Batch, type Column, type MillraceError, type Tally } from '@millrace/core'
import { rejectRecord, type OnBadRecord } from '../records/index.js'
import { rowJson } from '../values/index.js'

/** Leaves out a row that a table does not take, as a JSON object. @param row - a batch of that one @param record - its index in the stream */
export const rejectRow = async (policy: OnBadRecord | undefined, tally: Tally, error: MillraceError, row: Batch, source: string, record: number): Promise<void> => {
  const { _tag, code, problem, remedy, position, cause } = error
  // What the loader knew was its index in the piece.
  const placed = failure({ tag: _tag, code, problem, remedy, position: { ...position, source, record }, cause })
  const columns = Object.entries(row.columns as { readonly [name: string]: Column }).map(([name, column]) => [name, { column, faults: new Map() }] as const)
  await rejectRecord(policy, { tally }, placed, rowJson(Object.fromEntries(columns))(0), 'utf-8')
}
