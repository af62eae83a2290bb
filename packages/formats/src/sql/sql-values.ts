import { ConversionError, makeBuilder, type Column, type ColumnBuilder, type Field, type ListBuilder } from '@millrace/core'
import { parseJsonArray } from './json-array.js'
import { parsePostgresArray, type ArrayItem } from './postgres-array.js'
import { inUnit, parseSqlDate, parseSqlInstant, parseSqlMicros } from './sql-time.js'
import type { SqlType } from './sql-type.js'

/** A value as a driver hands it over: PostgreSQL's are all texts. */
export type SqlValue = string | number | bigint | Uint8Array | null

/** Appends a value that is not null to a builder. @throws ConversionError */
export type SqlAppender = (builder: ColumnBuilder, value: string | number | bigint | Uint8Array) => void

const DAY = 86_400_000

const asText: SqlAppender = (builder, value) => {
  if (typeof value === 'number') builder.append(value)
  else if (typeof value === 'string') builder.appendText(value)
  else throw new ConversionError('WRONG_TYPE', `${typeof value === 'bigint' ? value : `${value.length} bytes`} are not of kind ${builder.field.kind}`)
}

/** Integers and decimals, to the last digit; MySQL's BIT comes as bytes. */
const asDigits: SqlAppender = (builder, value) => {
  if (value instanceof Uint8Array) builder.append(BigInt(`0x0${Buffer.from(value).toString('hex')}`))
  else if (typeof value !== 'string') builder.append(builder.field.kind === 'utf8' ? String(value) : value)
  else builder.appendText(value)
}

/** PostgreSQL's booleans, and integers and bits that are 0 or 1. */
const asBool: SqlAppender = (builder, value) => {
  const one = value === 't' || value === '1' || value === 1 || (value instanceof Uint8Array && value.length === 1 && value[0] === 1)
  const zero = value === 'f' || value === '0' || value === 0 || (value instanceof Uint8Array && value.length === 1 && value[0] === 0)
  if (!one && !zero) throw new ConversionError('OUT_OF_RANGE', `${typeof value === 'object' ? 'a bit field' : value} is neither true nor false`)
  builder.append(one)
}

const asBytes: SqlAppender = (builder, value) => {
  if (typeof value !== 'string') return builder.append(value)
  if (!/^\\x(?:[\da-f]{2})*$/.test(value)) throw new ConversionError('BAD_TEXT', 'the bytes are not in hexadecimal')
  builder.append(Buffer.from(value.slice(2), 'hex'))
}

const asList = (target: Field, item: SqlType, parse: (text: string) => readonly ArrayItem[]): SqlAppender => {
  const append = sqlAppender(target.params.item!, item)
  return (builder, value) => {
    const list = builder as ListBuilder
    // An item that does not fit leaves those before it: the row's rollback takes them back.
    for (const one of parse(String(value))) appendItem(list.items, append, one)
    list.endList()
  }
}

const appendItem = (items: ColumnBuilder, append: SqlAppender, item: ArrayItem): void => {
  if (item === null) return items.appendNull()
  if (typeof item === 'string') return append(items, item)
  throw new ConversionError('WRONG_TYPE', 'an array of several dimensions does not fit a list of values')
}

/** How values of a type go into the builder of a field that can hold them (`canHold`). */
export const sqlAppender = (target: Field, type: SqlType): SqlAppender => {
  if (target.kind === 'dictionary') {
    const inner = sqlAppender(target.params.item!, type)
    // Only the conversion of the value is needed: the dictionary finds what it is equal to.
    return (builder, value) =>
      inner({ field: target.params.item!, append: (one: unknown) => builder.append(one), appendText: (one: string) => builder.appendText(one) } as ColumnBuilder, value)
  }
  if (target.kind === 'bool') return type.is === 'text' ? asText : asBool
  switch (type.is) {
    case 'bool':
      // MySQL's tinyint(1) may hold more than 0 and 1.
      return (builder, value) => (typeof value === 'string' ? builder.append(Number(value === 't')) : asDigits(builder, value))
    case 'bytes':
      return asBytes
    case 'list':
      return asList(target, type.item, type.syntax === 'json' ? parseJsonArray : parsePostgresArray)
    case 'json':
      return target.kind === 'list' ? asList(target, { is: 'text', name: 'item' }, parseJsonArray) : asText
    case 'integer':
    case 'decimal':
      return asDigits
    case 'date':
      return target.kind === 'date'
        ? (builder, value) => builder.append(new Date(parseSqlDate(String(value)) * DAY))
        : (builder, value) => builder.append(inUnit(parseSqlMicros(String(value).replace(/( BC)?$/, ' 00:00:00$1'), target.params.zone), target))
    case 'instant': {
      const zone = type.zoned ? 'UTC' : target.params.zone
      return (builder, value) => builder.append(parseSqlInstant(String(value), zone, target))
    }
    default:
      return asText
  }
}

/** About how many bytes a value holds. */
export const sqlValueBytes = (value: SqlValue): number => (typeof value === 'string' || value instanceof Uint8Array ? value.length : 8)

/** A column of values one by one; `undefined` where one of them does not fit the field. @param valueAt - the value of a row, `null` where there is none */
export const convertedColumn = (field: Field, type: SqlType, length: number, valueAt: (row: number) => SqlValue | null): Column | undefined => {
  const builder = makeBuilder(field)
  const append = sqlAppender(field, type)
  try {
    for (let row = 0; row < length; row++) {
      const value = valueAt(row)
      if (value === null) builder.appendNull()
      else append(builder, value)
    }
  } catch (error) {
    if (error instanceof ConversionError) return undefined
    throw error
  }
  return builder.finish()
}
