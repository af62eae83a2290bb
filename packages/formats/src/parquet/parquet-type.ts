import { failure, field, type Field, type MillraceError, type TimeUnit } from '@millrace/core'
import type { SchemaElement, SchemaTree } from 'hyparquet'

/**
 * What the values of a Parquet column mean, physical and logical type taken together.
 *
 * @see https://github.com/apache/parquet-format/blob/master/LogicalTypes.md
 */
export type ParquetType =
  | { readonly is: 'bool' | 'float' | 'double' | 'half' | 'text' | 'bytes' | 'date' | 'other'; readonly name: string }
  | { readonly is: 'integer'; readonly bits: number; readonly signed: boolean; readonly name: string }
  | { readonly is: 'instant'; readonly unit: TimeUnit; readonly name: string }
  | { readonly is: 'decimal'; readonly precision: number; readonly scale: number; readonly name: string }
  | { readonly is: 'list'; readonly item: ParquetType; readonly itemNullable: boolean; readonly name: string }

const units: Record<string, TimeUnit> = { MILLIS: 'ms', MICROS: 'us', NANOS: 'ns' }

const decimalType = ({ precision = 38, scale = 0 }: SchemaElement, name: string): ParquetType =>
  precision >= 1 && scale >= 0 && scale <= precision ? { is: 'decimal', precision, scale, name } : { is: 'other', name: `${name}(${precision}, ${scale})` }

const leafType = (element: SchemaElement): ParquetType => {
  const { type, converted_type: converted, logical_type: logical } = element
  const name = `${type ?? 'group'}${logical !== undefined ? ` ${logical.type}` : converted !== undefined ? ` ${converted}` : ''}`
  if (logical?.type === 'DECIMAL' || converted === 'DECIMAL') return decimalType(element, name)
  switch (type) {
    case 'BOOLEAN':
      return { is: 'bool', name }
    case 'FLOAT':
      return { is: 'float', name }
    case 'DOUBLE':
      return { is: 'double', name }
    case 'INT96':
      return { is: 'instant', unit: 'ns', name }
    case 'INT32':
    case 'INT64':
      if (logical?.type === 'DATE' || converted === 'DATE') return { is: 'date', name }
      if (logical?.type === 'TIMESTAMP') return { is: 'instant', unit: units[logical.unit]!, name: `${name}(${logical.unit})` }
      if (converted === 'TIMESTAMP_MILLIS') return { is: 'instant', unit: 'ms', name }
      if (converted === 'TIMESTAMP_MICROS') return { is: 'instant', unit: 'us', name }
      if (logical?.type === 'TIME' || converted?.startsWith('TIME_') === true) return { is: 'other', name }
      if (logical?.type === 'INTEGER') return { is: 'integer', bits: logical.bitWidth, signed: logical.isSigned, name }
      if (converted?.startsWith('UINT_') === true) return { is: 'integer', bits: Number(converted.slice(5)), signed: false, name }
      return { is: 'integer', bits: converted?.startsWith('INT_') === true ? Number(converted.slice(4)) : type === 'INT32' ? 32 : 64, signed: true, name }
    case 'BYTE_ARRAY':
      if (logical?.type === 'STRING' || logical?.type === 'ENUM' || logical?.type === 'JSON' || converted === 'UTF8' || converted === 'ENUM' || converted === 'JSON') return { is: 'text', name }
      return { is: 'bytes', name }
    case 'FIXED_LEN_BYTE_ARRAY':
      if (logical?.type === 'FLOAT16') return { is: 'half', name }
      return converted === 'INTERVAL' ? { is: 'other', name } : { is: 'bytes', name }
    default:
      return { is: 'other', name }
  }
}

const isListGroup = ({ element, children }: SchemaTree): boolean =>
  (element.converted_type === 'LIST' || element.logical_type?.type === 'LIST') && children.length === 1 && children[0]!.element.repetition_type === 'REPEATED'

/** The type of a column of the file, lists of lists included; structs and maps are `other`. */
export const parquetType = (node: SchemaTree): ParquetType => {
  if (node.element.repetition_type === 'REPEATED') return { is: 'other', name: 'repeated group' }
  if (node.children.length === 0) return leafType(node.element)
  if (!isListGroup(node)) return { is: 'other', name: node.element.converted_type ?? node.element.logical_type?.type ?? 'struct' }
  const repeated = node.children[0]!
  // The two-level lists of old writers repeat the item itself.
  const item = repeated.children.length === 1 ? repeated.children[0]! : repeated
  const type = item === repeated ? (repeated.children.length === 0 ? leafType(repeated.element) : ({ is: 'other', name: 'struct' } as const)) : parquetType(item)
  return { is: 'list', item: type, itemNullable: item !== repeated && item.element.repetition_type === 'OPTIONAL', name: `list of ${type.name}` }
}

/** The field that holds every value of a type; `undefined` for types that no kind of column holds. */
export const fieldOf = (type: ParquetType, nullable: boolean): Field | undefined => {
  const inner = innerField(type)
  return inner === undefined || !nullable ? inner : field.nullable(inner)
}

const innerField = (type: ParquetType): Field | undefined => {
  switch (type.is) {
    case 'bool':
      return field.bool()
    case 'float':
    case 'half':
      return field.float32()
    case 'double':
      return field.float64()
    case 'text':
      return field.utf8()
    case 'bytes':
      return field.binary()
    case 'date':
      return field.date()
    case 'instant':
      return field.timestamp({ unit: type.unit })
    case 'decimal':
      return field.decimal(Math.min(38, type.precision), type.scale)
    case 'integer':
      return integerFields[`${type.signed ? 'i' : 'u'}${type.bits}`]?.()
    case 'list': {
      const item = fieldOf(type.item, type.itemNullable)
      return item === undefined ? undefined : field.list(item)
    }
    default:
      return undefined
  }
}

const integerFields: { readonly [type: string]: () => Field } = {
  i8: field.int8, i16: field.int16, i32: field.int32, i64: () => field.int64(), u8: field.uint8, u16: field.uint16, u32: field.uint32, u64: () => field.uint64(),
}

const holders: { readonly [is: string]: RegExp } = {
  bool: /^bool$/, float: /^float(32|64)$/, half: /^float(32|64)$/, double: /^float(32|64)$/, text: /^(utf8|binary)$/, bytes: /^(utf8|binary)$/, date: /^date$/,
  instant: /^timestamp$/, decimal: /^(decimal|float32|float64)$/, integer: /^(u?int(8|16|32|64)|float32|float64|decimal)$/, list: /^list$/,
}

/** Whether a field can take values of a type; each value is checked as it is taken. */
export const canHold = (target: Field, type: ParquetType): boolean => {
  if (target.kind === 'dictionary') return type.is !== 'list' && canHold(target.params.item!, type)
  if (holders[type.is]?.test(target.kind) !== true) return false
  return type.is !== 'list' || canHold(target.params.item!, type.item)
}

/** The error for a column whose type in the file does not fit its field. */
export const wrongKind = (url: string, column: string, target: Field, type: ParquetType): MillraceError => {
  const suggestion = fieldOf(type, false)
  return failure({
    tag: 'Schema', code: 'PARQUET_KIND', problem: `the column is ${type.name} in the file, which ${target.kind} cannot hold`,
    remedy: suggestion === undefined ? 'Leave the column out of the schema: no kind holds it.' : `Make it field.${suggestion.kind}(…) in the schema.`,
    position: { source: url, column },
  })
}
