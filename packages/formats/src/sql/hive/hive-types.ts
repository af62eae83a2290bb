import type { SqlColumn, SqlType } from '../sql-type.js'
import type { ThriftStruct } from './thrift-value.js'

/** @see TTypeId of TCLIService.thrift */
const simple: { readonly [type: number]: SqlType } = {
  0: { is: 'bool', name: 'boolean' },
  1: { is: 'integer', bits: 8, signed: true, name: 'tinyint' }, 2: { is: 'integer', bits: 16, signed: true, name: 'smallint' },
  3: { is: 'integer', bits: 32, signed: true, name: 'int' }, 4: { is: 'integer', bits: 64, signed: true, name: 'bigint' },
  5: { is: 'float', name: 'float' }, 6: { is: 'double', name: 'double' }, 7: { is: 'text', name: 'string' }, 9: { is: 'bytes', name: 'binary' },
  10: { is: 'json', name: 'array' }, 11: { is: 'json', name: 'map' }, 12: { is: 'json', name: 'struct' }, 13: { is: 'json', name: 'uniontype' }, 14: { is: 'other', name: 'user-defined' },
  16: { is: 'other', name: 'void' }, 17: { is: 'date', name: 'date' }, 18: { is: 'text', name: 'varchar' }, 19: { is: 'text', name: 'char' },
  20: { is: 'other', name: 'interval year to month' }, 21: { is: 'other', name: 'interval day to second' }, 22: { is: 'instant', zoned: true, name: 'timestamp with local time zone' },
}

const DECIMAL = 15
const TIMESTAMP = 8

const decimal = (precision: number, scale: number): SqlType => {
  const fits = precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision
  return { is: 'decimal', precision: fits ? precision : undefined, scale, name: `decimal(${precision},${scale})` }
}

/** A column of a result, as its metadata says. @param zoned - whether timestamps are instants, as Spark's are */
export const hiveColumn = (description: ThriftStruct, zoned: boolean): SqlColumn => {
  const [entry] = description.struct(2).structs(1)
  const name = description.text(1)
  // What is no primitive entry is a nested type, whose values come as JSON.
  if (entry?.has(1) !== true) return { name, type: { is: 'json', name: 'nested' }, nullable: true }
  const primitive = entry.struct(1)
  const id = primitive.i32(1)
  if (id === TIMESTAMP) return { name, type: { is: 'instant', zoned, name: 'timestamp' }, nullable: true }
  if (id !== DECIMAL) return { name, type: simple[id] ?? { is: 'other', name: `type ${id}` }, nullable: true }
  const qualifiers = primitive.has(2) ? primitive.struct(2).structsByName(1) : undefined
  return { name, type: decimal(qualifiers?.get('precision')?.i32(1) ?? 0, qualifiers?.get('scale')?.i32(1) ?? 0), nullable: true }
}

const sparkTypes: { readonly [name: string]: SqlType } = {
  boolean: simple[0]!, tinyint: simple[1]!, smallint: simple[2]!, int: simple[3]!, bigint: simple[4]!, float: simple[5]!, double: simple[6]!, string: simple[7]!, binary: simple[9]!,
  date: simple[17]!, timestamp: { is: 'instant', zoned: true, name: 'timestamp' }, timestamp_ntz: { is: 'instant', zoned: false, name: 'timestamp_ntz' },
}

/** Items whose JSON is read without loss. */
const plainItem = /^(bool|integer|float|double|text|decimal|date)$/

/** A type as Spark's `DESCRIBE QUERY` writes it; `undefined` for one that the result's metadata knows as well. */
export const sparkType = (text: string): SqlType | undefined => {
  const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(text) ?? []
  if (precision !== undefined) return decimal(Number(precision), Number(scale))
  const [, inner] = /^array<(.*)>$/.exec(text) ?? []
  if (inner !== undefined) {
    const item = sparkType(inner)
    return item !== undefined && plainItem.test(item.is) ? { is: 'list', item, syntax: 'json', name: text } : { is: 'json', name: text }
  }
  if (/^(map|struct|variant)\b/.test(text)) return { is: 'json', name: text }
  if (/^(string|varchar|char)\b/.test(text)) return { is: 'text', name: text }
  return sparkTypes[text]
}
