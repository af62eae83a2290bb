import { BytesColumn, DictionaryColumn, FixedColumn, type Column } from '../../columns/index.js'
import { failure } from '../../errors/index.js'
import { integerKinds } from '../numeric/numbers.js'

/** Kinds of column whose values have a text, as {@link mapTexts} and {@link countTexts} read them. */
export const textKinds: readonly string[] = ['utf8', 'dictionary', ...integerKinds]

const NOTHING = new Uint8Array(0)

/** Sees the text of a value as UTF-8 bytes, which are only valid during the call. */
export type TextVisitor<A> = (bytes: Uint8Array, start: number, end: number) => A

const unreadable = (column: Column): never => {
  throw failure({ tag: 'Schema', code: 'WRONG_KIND', problem: `a column of kind ${column.field.kind} has no texts` })
}

/** Decimal text of an integer in the scratch buffer; gives its length. 64-bit integers have at most 20 characters. */
const scratch = new Uint8Array(24)
const writeDecimal = (value: number | bigint): number => {
  const text = String(value)
  for (let i = 0; i < text.length; i++) scratch[i] = text.charCodeAt(i)
  return text.length
}

/**
 * A number for the text of each row: utf8 as it is, dictionaries by their values (looked at once each), integers as decimal
 * text, null as the empty text.
 */
export const mapTexts = (column: Column, indexOf: TextVisitor<number>): Int32Array => {
  const out = new Int32Array(column.length)
  if (column instanceof BytesColumn) {
    const { offsets, bytes } = column
    if (column.nullCount === 0) {
      for (let row = 0; row < out.length; row++) out[row] = indexOf(bytes, offsets[row]!, offsets[row + 1]!)
      return out
    }
    for (let row = 0; row < out.length; row++) {
      out[row] = column.isValid(row) ? indexOf(bytes, offsets[row]!, offsets[row + 1]!) : indexOf(NOTHING, 0, 0)
    }
    return out
  }
  if (column instanceof DictionaryColumn) {
    const values = mapTexts(column.dictionary, indexOf)
    for (let row = 0; row < out.length; row++) out[row] = column.isValid(row) ? values[column.indices[row]!]! : indexOf(NOTHING, 0, 0)
    return out
  }
  if (!(column instanceof FixedColumn)) return unreadable(column)
  for (let row = 0; row < out.length; row++) {
    out[row] = column.isValid(row) ? indexOf(scratch, 0, writeDecimal(column.values[row]!)) : indexOf(NOTHING, 0, 0)
  }
  return out
}

/** Tells how often each text stands in the column, in one or more calls a text; nulls are left out. */
export const countTexts = (column: Column, count: (bytes: Uint8Array, start: number, end: number, times: number) => void): void => {
  if (column instanceof DictionaryColumn) {
    const times = new Int32Array(column.dictionary.length)
    for (let row = 0; row < column.length; row++) if (column.isValid(row)) times[column.indices[row]!]!++
    let entry = 0
    mapTexts(column.dictionary, (bytes, start, end) => {
      const many = times[entry++]!
      if (many > 0) count(bytes, start, end, many)
      return 0
    })
    return
  }
  if (column instanceof BytesColumn) {
    const { offsets, bytes } = column
    for (let row = 0; row < column.length; row++) if (column.isValid(row)) count(bytes, offsets[row]!, offsets[row + 1]!, 1)
    return
  }
  if (!(column instanceof FixedColumn)) return unreadable(column)
  for (let row = 0; row < column.length; row++) if (column.isValid(row)) count(scratch, 0, writeDecimal(column.values[row]!), 1)
}
