import { cellJson, type RowText } from '../writing/column-texts.js'
import type { ConvertedColumn } from './convert-values.js'
import type { Misfit } from './misfit.js'

/** The first row of `start` to `end` in which a column does not fit. */
export const firstFault = (columns: { readonly [name: string]: ConvertedColumn }, start: number, end: number): number | undefined => {
  const lists = Object.values(columns).flatMap(({ faults }) => (faults.size > 0 ? [faults] : []))
  for (let row = start; lists.length > 0 && row < end; row++) if (lists.some((faults) => faults.has(row))) return row
  return undefined
}

/** What becomes of the rows that do not fit. */
export interface RowRejection {
  readonly reject: (row: number, column: string, error: Misfit) => Promise<void>
  /** Counts them instead, where nobody asks for their errors. */
  readonly skip?: ((code: string, count: number) => Promise<void>) | undefined
}

/** Rows of `start` to `end` in which every column fits, counted from `start`; `undefined` when all do. */
export const goodRows = async (columns: { readonly [name: string]: ConvertedColumn }, start: number, end: number, { reject, skip }: RowRejection): Promise<Int32Array | undefined> => {
  const entries = Object.entries(columns).filter(([, { faults }]) => faults.size > 0)
  if (entries.length === 0) return undefined
  const good: number[] = []
  const skipped = new Map<string, number>()
  for (let row = start; row < end; row++) {
    const bad = entries.find(([, { faults }]) => faults.has(row))
    if (bad === undefined) {
      good.push(row - start)
      continue
    }
    const [column, { faults }] = bad
    const error = faults.get(row)!
    if (skip === undefined) await reject(row, column, error)
    else skipped.set(error.code, (skipped.get(error.code) ?? 0) + 1)
  }
  for (const [code, count] of skipped) await skip?.(code, count)
  return good.length === end - start ? undefined : Int32Array.from(good)
}

const encoder = new TextEncoder()

/** Rows as JSON objects: the columns that are read, and of values that do not fit what the file has. */
export const rowJson = (columns: { readonly [name: string]: ConvertedColumn }): ((row: number) => Uint8Array) => {
  const cells = Object.entries(columns).map(([name, { column, faults }]) => ({ key: `${JSON.stringify(name)}:`, faults, column, json: undefined as RowText | undefined }))
  const text = (cell: (typeof cells)[number], row: number): string => cell.faults.get(row)?.json() ?? (cell.json ??= cellJson(cell.column))(row)
  return (row) => encoder.encode(`{${cells.map((cell) => cell.key + text(cell, row)).join(',')}}`)
}
