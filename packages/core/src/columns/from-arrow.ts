import * as arrow from 'apache-arrow'
import { failure } from '../errors/index.js'
import { field, type Field, type Schema, type TimeUnit } from '../schema/index.js'
import { bitmapBytes, getBit, sliceBits } from './bitmap.js'
import { BoolColumn } from './bool-column.js'
import { BytesColumn } from './bytes-column.js'
import type { Column, Values } from './column.js'
import { DecimalColumn } from './decimal-column.js'
import { DictionaryColumn } from './dictionary-column.js'
import { ListColumn } from './list-column.js'
import { fixedColumn, withField } from './make-column.js'

const unitNames: readonly TimeUnit[] = ['s', 'ms', 'us', 'ns']

/** The field of an Arrow type. @throws `Schema` for types that Millrace has no kind for */
export const fieldFromArrow = (type: arrow.DataType, nullable: boolean): Field => {
  const found = notNullable(type)
  if (found === undefined) {
    throw failure({ tag: 'Schema', code: 'UNSUPPORTED_ARROW_TYPE', problem: `columns of the Arrow type ${String(type)} cannot be read`, remedy: 'Cast the column where the file is written, or leave it out with columns.' })
  }
  return nullable ? field.nullable(found) : found
}

const notNullable = (type: arrow.DataType): Field | undefined => {
  if (arrow.DataType.isBool(type)) return field.bool()
  if (arrow.DataType.isInt(type)) {
    const name = `${type.isSigned ? 'int' : 'uint'}${type.bitWidth}` as 'int32'
    return field[name]()
  }
  if (arrow.DataType.isFloat(type)) return type.precision === arrow.Precision.DOUBLE ? field.float64() : type.precision === arrow.Precision.SINGLE ? field.float32() : undefined
  if (arrow.DataType.isUtf8(type) || arrow.DataType.isLargeUtf8(type)) return field.utf8()
  if (arrow.DataType.isBinary(type) || arrow.DataType.isLargeBinary(type)) return field.binary()
  if (arrow.DataType.isDate(type) && type.unit === arrow.DateUnit.DAY) return field.date()
  if (arrow.DataType.isTimestamp(type)) return field.timestamp({ unit: unitNames[type.unit]! })
  if (arrow.DataType.isDecimal(type) && type.bitWidth === 128) return field.decimal(type.precision, type.scale)
  if (arrow.DataType.isDictionary(type)) {
    const of = notNullable(type.dictionary as arrow.DataType)
    return of === undefined ? undefined : field.dictionary(of)
  }
  if (arrow.DataType.isList(type)) {
    const item = type.children[0]!
    const of = notNullable(item.type as arrow.DataType)
    return of === undefined ? undefined : field.list(item.nullable ? field.nullable(of) : of)
  }
  if (arrow.DataType.isFixedSizeList(type)) {
    const item = type.children[0]!
    const of = notNullable(item.type as arrow.DataType)
    return of === undefined ? undefined : field.list(item.nullable ? field.nullable(of) : of, { size: type.listSize })
  }
  return undefined
}

/** The Millrace schema of an Arrow schema. */
export const schemaFromArrow = (schema: arrow.Schema): Schema =>
  Object.fromEntries(schema.fields.map(({ name, type, nullable }) => [name, fieldFromArrow(type as arrow.DataType, nullable)]))

/** Other writers may leave anything where a row is null; our columns hold 0 there. Copies only where it must. */
const zeroedNulls = (values: Values, validity: Uint8Array | undefined): Values => {
  if (validity === undefined) return values
  let out: Values | undefined
  for (let row = 0; row < values.length; row++) {
    if (getBit(validity, row) || Number(values[row]) === 0) continue
    out ??= values.slice() as Values
    out[row] = (typeof values[row] === 'bigint' ? 0n : 0) as never
  }
  return out ?? values
}

/** Offsets of a string column; those of "large" Arrow types, which polars and pandas write, have 64 bits. */
const offsets32 = (data: arrow.Data): Int32Array => {
  const offsets = data.valueOffsets as unknown as Int32Array | BigInt64Array
  if (offsets instanceof Int32Array) return offsets.subarray(0, data.length + 1)
  const last = offsets[data.length] ?? 0n
  if (last > 2147483647n) {
    throw failure({ tag: 'Limit', code: 'COLUMN_TOO_LARGE', problem: `a string column of one Arrow batch holds ${last} bytes`, remedy: 'Write smaller record batches: one may hold 2 GiB of text a column.' })
  }
  return Int32Array.from(offsets.subarray(0, data.length + 1), Number)
}

const validityOf = (data: arrow.Data): Uint8Array | undefined => {
  if (data.nullCount === 0 || data.nullBitmap === undefined || data.nullBitmap.length === 0) return undefined
  return data.offset % 8 === 0 ? data.nullBitmap.subarray(data.offset >> 3, (data.offset >> 3) + bitmapBytes(data.length)) : sliceBits(data.nullBitmap, data.offset, data.length)
}

const listOffsets = (data: arrow.Data): Int32Array => {
  const { type } = data
  if (!arrow.DataType.isFixedSizeList(type)) return (data.valueOffsets as Int32Array).subarray(0, data.length + 1)
  // Slices of fixed-size lists slice their items too.
  return Int32Array.from({ length: data.length + 1 }, (_, row) => row * type.listSize)
}

/**
 * The column over Arrow data, sharing its buffers where the layout allows.
 *
 * @throws `Schema` when the Arrow type has no kind, or `as` is a field whose stored values would mean something else
 */
export const columnFromArrow = (data: arrow.Data, as?: Field): Column => {
  const column = columnOf(data, fieldFromArrow(data.type as arrow.DataType, data.nullCount > 0))
  return as === undefined ? column : withField(column, as)
}

const columnOf = (data: arrow.Data, target: Field): Column => {
  const validity = validityOf(data)
  switch (target.kind) {
    case 'bool':
      return new BoolColumn(target, sliceBits(data.values as Uint8Array, data.offset, data.length), data.length, validity)
    case 'utf8':
    case 'binary':
      return new BytesColumn(target, offsets32(data), data.values as Uint8Array, validity)
    case 'decimal': {
      const words = data.values as Uint32Array
      const copy = words.byteOffset % 8 === 0 ? words : words.slice()
      return new DecimalColumn(target, new BigInt64Array(copy.buffer, copy.byteOffset, data.length * 2), validity)
    }
    case 'dictionary': {
      const dictionary = data.dictionary as arrow.Vector
      const joined = dictionary.data.length === 1 ? dictionary.data[0]! : (arrow.vectorFromArray(dictionary.toArray() as unknown[], dictionary.type as arrow.DataType).data[0] as arrow.Data)
      return new DictionaryColumn(target, Int32Array.from((data.values as Int32Array).subarray(0, data.length)), columnFromArrow(joined), validity)
    }
    case 'list':
      return new ListColumn(target, listOffsets(data), columnFromArrow(data.children[0]!, target.params.item), validity)
    default:
      return fixedColumn(target, zeroedNulls((data.values as Values).subarray(0, data.length) as Values, validity), validity)
  }
}
