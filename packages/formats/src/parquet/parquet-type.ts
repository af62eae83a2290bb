import type { TimeUnit } from '@millrace/core'
import type { SchemaElement, SchemaTree } from 'hyparquet'
import type { ValueType } from '../values/index.js'

const units: Record<string, TimeUnit> = { MILLIS: 'ms', MICROS: 'us', NANOS: 'ns' }

const decimalType = ({ precision = 38, scale = 0 }: SchemaElement, name: string): ValueType =>
  precision >= 1 && scale >= 0 && scale <= precision ? { is: 'decimal', precision, scale, name } : { is: 'other', name: `${name}(${precision}, ${scale})` }

const leafType = (element: SchemaElement): ValueType => {
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

/**
 * The type of a column of the file, physical and logical type taken together, lists of lists included; structs and maps are `other`.
 *
 * @see https://github.com/apache/parquet-format/blob/master/LogicalTypes.md
 */
export const parquetType = (node: SchemaTree): ValueType => {
  if (node.element.repetition_type === 'REPEATED') return { is: 'other', name: 'repeated group' }
  if (node.children.length === 0) return leafType(node.element)
  if (!isListGroup(node)) return { is: 'other', name: node.element.converted_type ?? node.element.logical_type?.type ?? 'struct' }
  const repeated = node.children[0]!
  // The two-level lists of old writers repeat the item itself.
  const item = repeated.children.length === 1 ? repeated.children[0]! : repeated
  const type = item === repeated ? (repeated.children.length === 0 ? leafType(repeated.element) : ({ is: 'other', name: 'struct' } as const)) : parquetType(item)
  return { is: 'list', item: type, itemNullable: item !== repeated && item.element.repetition_type === 'OPTIONAL', name: `list of ${type.name}` }
}
