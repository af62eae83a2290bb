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

const joinedValidity = (columns: readonly Column[]): Uint8Array | undefined =>
  columns.every((column) => column.validity === undefined)
    ? undefined
    : concatBits(columns.map((column) => ({ bits: column.validity, length: column.length })))

const joinedOffsets = (columns: readonly (BytesColumn | ListColumn)[]): Int32Array => {
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

/** Columns of one kind one below the other, in new buffers. */
export const concatColumns = <T>(field: Field<T>, columns: readonly Column[]): Column<T> => {
  if (columns.length === 1) return withField(columns[0]!, field)
  if (columns.length === 0) return columnFrom(field, [])
  const validity = joinedValidity(columns)
  if (allAre(columns, FixedColumn)) return fixedColumn(field, joinedArrays(columns.map((column) => column.values)), validity)
  if (allAre(columns, BytesColumn)) {
    const bytes = joinedArrays(columns.map((column) => column.bytes.subarray(column.offsets[0]!, column.offsets[column.length]!)))
    return new BytesColumn(field, joinedOffsets(columns), bytes, validity)
  }
  if (allAre(columns, BoolColumn)) {
    const bits = concatBits(columns.map((column) => ({ bits: column.bits, length: column.length })))
    return new BoolColumn(field, bits, columns.reduce((sum, column) => sum + column.length, 0), validity)
  }
  if (allAre(columns, DecimalColumn)) return new DecimalColumn(field, joinedArrays(columns.map((column) => column.words)), validity)
  if (allAre(columns, ListColumn)) {
    const items = concatColumns(field.params.item!, columns.map((column) => column.items.slice(column.offsets[0]!, column.offsets[column.length]!)))
    return new ListColumn(field, joinedOffsets(columns), items, validity)
  }
  if (allAre(columns, DictionaryColumn)) return columnFrom(field, columns.flatMap((column) => column.toArray()))
  throw failure({ tag: 'Schema', code: 'KIND_MISMATCH', problem: 'columns of different layouts cannot be joined' })
}
