import type { BytesColumn, FixedColumn} from '@millrace/core';
import {
  BoolColumn, columnFrom, DecimalColumn, DictionaryColumn, failure, field, halves, ListColumn, type Column, type MillraceError, type Values,
} from '@millrace/core'
import { featureShape, FLOAT, INT64, type WireKind } from './feature-kinds.js'

/** A column in the form that goes on the wire: float bits, 64-bit integers as pairs of words, bytes with offsets. */
export interface WireColumn {
  readonly wire: WireKind
  readonly words: Int32Array
  readonly offsets: Int32Array
  readonly bytes: Uint8Array
  /** Lists: row `r` holds the values `listOffsets[r]` to `listOffsets[r + 1]`. */
  readonly listOffsets: Int32Array | undefined
  readonly validity: Uint8Array | undefined
}

const none = new Int32Array(0)
const noBytes = new Uint8Array(0)

const widen = (values: Exclude<Values, BigInt64Array | BigUint64Array>): Int32Array => {
  const words = new Int32Array(values.length * 2)
  if (values instanceof Uint32Array) for (let i = 0; i < values.length; i++) words[2 * i] = values[i]!
  else {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!
      words[2 * i] = value
      words[2 * i + 1] = value >> 31
    }
  }
  return words
}

const integerWords = (column: Column): Int32Array => {
  if (column instanceof BoolColumn) {
    const words = new Int32Array(column.length * 2)
    for (let i = 0; i < column.length; i++) words[2 * i] = (column.bits[i >> 3]! >> (i & 7)) & 1
    return words
  }
  const { values } = column as FixedColumn
  return values instanceof BigInt64Array || values instanceof BigUint64Array ? halves(values) : widen(values)
}

/** @throws the error of {@link tooLarge} for a number that float32 has only as an infinity */
const floatWords = (name: string, column: Column): Int32Array => {
  const { values } = column as FixedColumn<unknown, Float32Array | Float64Array>
  const floats = values instanceof Float32Array ? values : Float32Array.from(values)
  if (!(values instanceof Float32Array)) {
    const at = floats.findIndex((float, i) => (float === Infinity || float === -Infinity) && Number.isFinite(values[i]) && column.isValid(i))
    if (at >= 0) throw tooLarge(name, values[at]!)
  }
  return new Int32Array(floats.buffer, floats.byteOffset, floats.length)
}

const plain = (column: Column): Column => {
  if (column instanceof DictionaryColumn) return plain(column.expand() as Column)
  if (column instanceof DecimalColumn) return columnFrom(field.nullable(field.utf8()), column.toArray() as (string | null)[])
  return column
}

const flat = (name: string, column: Column, wire: WireKind): Omit<WireColumn, 'listOffsets' | 'wire'> => {
  const values = plain(column)
  const { validity } = values
  if (wire === INT64) return { words: integerWords(values), offsets: none, bytes: noBytes, validity }
  if (wire === FLOAT) return { words: floatWords(name, values), offsets: none, bytes: noBytes, validity }
  const { offsets, bytes } = values as BytesColumn
  return { words: none, offsets, bytes, validity }
}

/** The error for a null within a list. */
export const nullItem = (column: string): MillraceError =>
  failure({
    tag: 'Schema',
    code: 'EXAMPLE_NULL_ITEM',
    problem: 'a list holds a null, which a tf.train.Example cannot',
    remedy: 'Fill or drop the nulls within the lists first.',
    position: { column },
  })

const tooLarge = (column: string, value: number): MillraceError =>
  failure({
    tag: 'BadRecord',
    code: 'OUT_OF_RANGE',
    problem: `${value} is beyond the range of float32, which is all that a tf.train.Example has`,
    remedy: 'Clip such numbers, scale them, or leave the rows out with filter.',
    position: { column },
  })

/**
 * Brings a column to the form in which it goes on the wire; 64-bit integers, float32 and byte columns are shared, not copied.
 *
 * @throws `Schema` for a kind that a tf.train.Example cannot hold, and for nulls within lists; `BadRecord` OUT_OF_RANGE for a finite float64 beyond the
 *   range of float32
 */
export const wireColumn = (name: string, column: Column): WireColumn => {
  const { wire, list } = featureShape(name, column.field)
  if (!list || !(column instanceof ListColumn)) return { wire, listOffsets: undefined, ...flat(name, column, wire) }
  const first = column.offsets[0]!
  const items = column.items.slice(first, column.offsets[column.length]!)
  if (items.nullCount > 0) throw nullItem(name)
  const listOffsets = first === 0 ? column.offsets : column.offsets.map((offset) => offset - first)
  return { wire, listOffsets, ...flat(name, items, wire), validity: column.validity }
}
