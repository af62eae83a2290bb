import { failure } from '../errors/index.js'
import type { Field } from '../schema/index.js'
import { concatBits } from './bitmap.js'
import { BoolColumn } from './bool-column.js'
import { BytesColumn } from './bytes-column.js'
import type { Column, Values } from './column.js'
import { DecimalColumn } from './decimal-column.js'
import { DictionaryColumn } from './dictionary-column.js'
import { FixedColumn } from './fixed-column.js'
import { columnFrom } from './make-builder.js'
import { fixedColumn, withField } from './make-column.js'
import { ListColumn } from './list-column.js'

/** Arrow's offsets are signed 32-bit. */
const MAX_OFFSET = 2147483647

const joinedValidity = (columns: readonly Column[]): Uint8Array | undefined =>
  columns.every((column) => column.validity === undefined)
    ? undefined
    : concatBits(columns.map((column) => ({ bits: column.validity, length: column.length })))

const joinedOffsets = (columns: readonly (BytesColumn | ListColumn)[]): Int32Array => {
  const end = columns.reduce((sum, column) => sum + column.offsets[column.length]! - column.offsets[0]!, 0)
  if (end > MAX_OFFSET) {
    throw failure({
      tag: 'Limit',
      code: 'COLUMN_TOO_LARGE',
      problem: `the joined column would hold ${end} bytes or items, and one batch holds ${MAX_OFFSET}`,
      remedy: 'Join fewer batches, or leave the column out.',
    })
  }
  const offsets = new Int32Array(columns.reduce((sum, column) => sum + column.length, 0) + 1)
  let at = 0
  let total = 0
  for (const column of columns) {
    const first = column.offsets[0]!
    for (let i = 1; i <= column.length; i++) offsets[++at] = total + column.offsets[i]! - first
    total += column.offsets[column.length]! - first
  }
  return offsets
}

const joinedArrays = <V extends Values | BigInt64Array>(parts: readonly V[]): V => {
  const out = new (parts[0]!.constructor as new (length: number) => V)(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part as never, at)
    at += part.length
  }
  return out
}

const allAre = <C extends Column>(columns: readonly Column[], type: abstract new (...args: never[]) => C): columns is readonly C[] =>
  columns.every((column) => column instanceof type)

const joinedDictionaries = <T>(field: Field<T>, columns: readonly DictionaryColumn[], validity: Uint8Array | undefined): DictionaryColumn<T> => {
  const indices = joinedArrays(columns.map((column) => column.indices))
  const dictionaries = [...new Set(columns.map((column) => column.dictionary))]
  const starts = new Map<Column, number>()
  let start = 0
  for (const dictionary of dictionaries) {
    starts.set(dictionary, start)
    start += dictionary.length
  }
  let at = 0
  for (const column of columns) {
    const shift = starts.get(column.dictionary)!
    for (let row = 0; row < column.length; row++) indices[at++]! += shift
  }
  return new DictionaryColumn<T>(field, indices, concatColumns(field.params.item!, dictionaries) as Column<T>, validity)
}

/**
 * Columns of one kind one below the other, in new buffers. Dictionaries are joined as they are, so a value that is in
 * several stands there several times, but a dictionary that the columns share is kept.
 *
 * @throws `Schema` when a column does not fit the field; `Limit` when the offsets would not fit 32 bits
 */
export const concatColumns = <T>(field: Field<T>, parts: readonly Column[]): Column<T> => {
  if (parts.length === 0) return columnFrom(field, [])
  const columns: readonly Column[] = parts.map((part) => withField(part, field))
  if (columns.length === 1) return columns[0]! as Column<T>
  const validity = joinedValidity(columns)
  if (allAre(columns, FixedColumn)) return fixedColumn(field, joinedArrays(columns.map((column) => column.values)), validity)
  if (allAre(columns, BytesColumn)) {
    const offsets = joinedOffsets(columns)
    const bytes = joinedArrays(columns.map((column) => column.bytes.subarray(column.offsets[0]!, column.offsets[column.length]!)))
    return new BytesColumn(field, offsets, bytes, validity)
  }
  if (allAre(columns, BoolColumn)) {
    const bits = concatBits(columns.map((column) => ({ bits: column.bits, length: column.length })))
    return new BoolColumn(field, bits, columns.reduce((sum, column) => sum + column.length, 0), validity)
  }
  if (allAre(columns, DecimalColumn)) return new DecimalColumn(field, joinedArrays(columns.map((column) => column.words)), validity)
  if (allAre(columns, ListColumn)) {
    const offsets = joinedOffsets(columns)
    const items = concatColumns(field.params.item!, columns.map((column) => column.items.slice(column.offsets[0]!, column.offsets[column.length]!)))
    return new ListColumn(field, offsets, items as Column<never>, validity) as unknown as Column<T>
  }
  if (allAre(columns, DictionaryColumn)) return joinedDictionaries(field, columns, validity)
  throw failure({ tag: 'Schema', code: 'KIND_MISMATCH', problem: 'columns of different layouts cannot be joined' })
}
