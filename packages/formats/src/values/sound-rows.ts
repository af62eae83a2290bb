import { cellJson, type RowText } from '../writing/column-texts.js'
import type { ConvertedColumn } from './convert-values.js'
import type { Misfit } from './misfit.js'

/** The first row of `start` to `end` in which a column does not fit. */
export const firstFault = (columns: { readonly [name: string]: ConvertedColumn }, start: number, end: number): number | undefined => {
  const lists = Object.values(columns).flatMap(({ faults }) => (faults.size > 0 ? [faults] : []))
  for (let row = start; lists.length > 0 && row < end; row++) if (lists.some((faults) => faults.has(row))) return row
  return undefined
}

/** Rows of `start` to `end` in which every column fits, counted from `start`; `undefined` when all do. */
export const goodRows = async (
  columns: { readonly [name: string]: ConvertedColumn },
  start: number,
  end: number,
  reject: (row: number, column: string, error: Misfit) => Promise<void>,
): Promise<Int32Array | undefined> => {
  const entries = Object.entries(columns).filter(([, { faults }]) => faults.size > 0)
  if (entries.length === 0) return undefined
  const good: number[] = []
  for (let row = start; row < end; row++) {
    const bad = entries.find(([, { faults }]) => faults.has(row))
    if (bad === undefined) good.push(row - start)
    else await reject(row, bad[0], bad[1].faults.get(row)!)
  }
  return good.length === end - start ? undefined : Int32Array.from(good)
}

const encoder = new TextEncoder()

/** Rows as JSON objects: the columns that are read, and of values that do not fit what the file has. */
export const rowJson = (columns: { readonly [name: string]: ConvertedColumn }): ((row: number) => Uint8Array) => {
  const cells = Object.entries(columns).map(([name, { column, faults }]) => ({ key: `${JSON.stringify(name)}:`, faults, column, json: undefined as RowText | undefined }))
  const text = (cell: (typeof cells)[number], row: number): string => cell.faults.get(row)?.json() ?? (cell.json ??= cellJson(cell.column))(row)
  return (row) => encoder.encode(`{${cells.map((cell) => cell.key + text(cell, row)).join(',')}}`)
}
