import {
  ConversionError, DictionaryColumn, halves, ListColumn, readInt64, showValue,
  type Column, type FixedColumn, type TimeUnit,
} from '@millrace/core'
import { columnJson } from '../writing/column-texts.js'
import { sqlDateText, sqlInstantText } from './sql-time.js'

const unitMicros: { readonly [U in Exclude<TimeUnit, 'ns'>]: bigint } = { s: 1_000_000n, ms: 1_000n, us: 1n }

/** Microseconds of an instant. @throws ConversionError for nanoseconds, which neither server has */
const microsOf = (value: bigint, unit: TimeUnit): bigint => {
  if (unit !== 'ns') return value * unitMicros[unit]
  if (value % 1000n !== 0n) throw new ConversionError('OUT_OF_RANGE', `the instant has ${value % 1000n} nanoseconds, and the server keeps microseconds`)
  return value / 1000n
}

/** Texts of dates and instants in UTC; `undefined` for columns of other kinds. @param offset - what follows an instant's time */
const timeText = (column: Column, offset = ''): ((row: number) => string) | undefined => {
  const { kind, params } = column.field
  if (kind === 'date') {
    const { values } = column as FixedColumn<unknown, Int32Array>
    return (row) => sqlDateText(values[row]!)
  }
  if (kind !== 'timestamp') return undefined
  const { values } = column as FixedColumn<unknown, BigInt64Array>
  const unit = params.unit ?? 'ms'
  const words = halves(values)
  const factor = unit === 'ns' ? NaN : Number(unitMicros[unit])
  return (row) => {
    const micros = readInt64(words, row) * factor
    return sqlInstantText(Number.isSafeInteger(micros) ? micros : microsOf(values[row]!, unit), offset)
  }
}

const exact64 = (column: Column): ((row: number) => bigint) | undefined => {
  if (column.field.kind !== 'int64' && column.field.kind !== 'uint64') return undefined
  const { values } = column as FixedColumn<unknown, BigInt64Array>
  return (row) => values[row]!
}

/** Whether the texts of a column's values are digits, dates and the like, which have nothing to escape. */
export const isPlain = ({ field }: Column): boolean => /^(bool|u?int\d+|float\d+|decimal|date|timestamp)$/.test(field.kind)

/** Digits of 64-bit integers, by numbers where they are safe, which is faster; `undefined` for columns of other kinds. */
export const integerText = (column: Column): ((row: number) => string) | undefined => {
  if (column.field.kind !== 'int64' && column.field.kind !== 'uint64') return undefined
  const { values } = column as FixedColumn<unknown, BigInt64Array>
  const words = halves(values)
  return (row) => {
    const value = readInt64(words, row)
    // Below 0 an unsigned one is another.
    return value >= 0 && value <= Number.MAX_SAFE_INTEGER ? String(value) : String(values[row]!)
  }
}

/** The text of a value that is not null, as PostgreSQL reads it; not yet escaped. */
const postgresText = (column: Column): ((row: number) => string) => {
  const whole = timeText(column, '+00') ?? integerText(column)
  if (whole !== undefined) return whole
  if (column instanceof ListColumn) return arrayText(column as ListColumn)
  switch (column.field.kind) {
    case 'bool':
      return (row) => (column.get(row) === true ? 't' : 'f')
    case 'binary':
      return (row) => `\\x${Buffer.from(column.get(row) as Uint8Array).toString('hex')}`
    case 'utf8':
      return (row) => {
        const text = column.get(row) as string
        if (text.includes('\0')) throw new ConversionError('BAD_TEXT', `${showValue(text)} holds a zero character, which PostgreSQL's texts cannot`)
        return text
      }
    default:
      return (row) => (Object.is(column.get(row), -0) ? '-0' : String(column.get(row)))
  }
}

const arrayText = ({ offsets, items }: ListColumn): ((row: number) => string) => {
  const item = postgresText(items instanceof DictionaryColumn ? (items.expand() as Column) : items)
  return (row) => {
    const texts: string[] = []
    for (let at = offsets[row]!; at < offsets[row + 1]!; at++) texts.push(items.isValid(at) ? `"${item(at).replace(/["\\]/g, '\\$&')}"` : 'NULL')
    return `{${texts.join(',')}}`
  }
}

const escapes: { readonly [character: string]: string } = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r', '\b': '\\b', '\f': '\\f', '\v': '\\v' }

/** A column's values as `COPY … (FORMAT text)` takes them. @see https://www.postgresql.org/docs/current/sql-copy.html */
export const copyCells = (given: Column): ((row: number) => string) => {
  const column = given instanceof DictionaryColumn ? (given.expand() as Column) : given
  const text = postgresText(column)
  if (isPlain(column)) return (row) => (column.isValid(row) ? text(row) : '\\N')
  return (row) => (column.isValid(row) ? text(row).replace(/[\\\t\n\r\b\f\v]/g, (character) => escapes[character]!) : '\\N')
}

/** A column's values as MySQL's prepared statements take them. @throws ConversionError (when called) for floats that it has not */
export const mysqlCells = (given: Column): ((row: number) => string | number | bigint | Uint8Array | null) => {
  const column = given instanceof DictionaryColumn ? (given.expand() as Column) : given
  const value = timeText(column) ?? exact64(column) ?? (column instanceof ListColumn ? columnJson(column) : undefined) ?? mysqlValue(column)
  return (row) => (column.isValid(row) ? value(row) : null)
}

const mysqlValue = (column: Column): ((row: number) => string | number | Uint8Array) => (row) => {
  const value = column.get(row)
  if (typeof value === 'boolean') return Number(value)
  if (typeof value === 'number' && !Number.isFinite(value)) throw new ConversionError('OUT_OF_RANGE', `MySQL has no ${value}`)
  return value as string | number | Uint8Array
}
