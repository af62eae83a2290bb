import { bitmapBytes, clearBit, getBit, ListColumn, type Field } from '@millrace/core'
import { cellJson, type RowText } from '../writing/column-texts.js'
import type { ConvertedColumn } from './convert-values.js'
import { Misfit, type Fault } from './misfit.js'

/** Lists of converted items, as a column of `target`: a list with an item that does not fit does not fit either. */
export const convertList = (target: Field, offsets: Int32Array, nulls: Uint8Array | undefined, items: ConvertedColumn): ConvertedColumn => {
  const count = offsets.length - 1
  const faults = new Map<number, Misfit>()
  let validity = nulls
  const isNull = (row: number): boolean => nulls !== undefined && !getBit(nulls, row)
  let text: RowText | undefined
  /** An array of the items, with what the file has in those that do not fit. */
  const json = (row: number): string => {
    const texts: string[] = []
    for (let item = offsets[row]!; item < offsets[row + 1]!; item++) texts.push(items.faults.get(item)?.json() ?? (text ??= cellJson(items.column))(item))
    return `[${texts.join(',')}]`
  }
  const fault = (row: number, what: Fault): void => {
    if (validity === undefined || validity === nulls) validity = nulls?.slice() ?? new Uint8Array(bitmapBytes(count)).fill(0xff)
    clearBit(validity, row)
    if (!faults.has(row)) faults.set(row, new Misfit(what, row, isNull(row) ? () => 'null' : json))
  }
  for (const [item, error] of items.faults) {
    const row = listOf(offsets, item)
    // What stands in a null list is nobody's.
    if (row !== undefined && !isNull(row)) fault(row, error)
  }
  const { size } = target.params
  for (let row = 0; row < count && (size !== undefined || (nulls !== undefined && !target.nullable)); row++) {
    const length = offsets[row + 1]! - offsets[row]!
    if (isNull(row)) {
      if (!target.nullable) fault(row, { code: 'NULL', message: 'a list that may not be null is null' })
    } else if (size !== undefined && length !== size) fault(row, { code: 'OUT_OF_RANGE', message: `a list of ${length} items where ${size} are due` })
  }
  return { column: new ListColumn({ ...target, nullable: true } as Field, offsets, items.column, validity), faults }
}

/** The list that an item belongs to; `undefined` for one that belongs to none. */
const listOf = (offsets: Int32Array, item: number): number | undefined => {
  let low = 0
  let high = offsets.length - 1
  if (item < offsets[0]! || item >= offsets[high]!) return undefined
  while (low + 1 < high) {
    const middle = (low + high) >> 1
    if (offsets[middle]! <= item) low = middle
    else high = middle
  }
  return low
}
