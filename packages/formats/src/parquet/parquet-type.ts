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
      // Integers of their unit.
      if (logical?.type === 'TIME' || converted?.startsWith('TIME_') === true) return { is: 'integer', bits: type === 'INT32' ? 32 : 64, signed: true, name: logical?.type === 'TIME' ? `${name}(${logical.unit})` : name }
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

/** Names by which old writers tell that the repeated group is the item itself, a struct of one field, and no layer around it. */
const isItemItself = (list: SchemaTree, { element: { name } }: SchemaTree): boolean => name === 'array' || name === `${list.element.name}_tuple`

/** The item of a list, which in the two layers of old writers is what is repeated, and the type of a repeated item. */
const listItem = (list: SchemaTree): { readonly type: ValueType; readonly isNullable: boolean } => {
  const repeated = list.children[0]!
  const [only, ...more] = repeated.children
  if (only === undefined) return { type: leafType(repeated.element), isNullable: false }
  if (isListGroup(repeated)) return { type: listType(repeated), isNullable: false }
  if (more.length > 0 || only.element.repetition_type === 'REPEATED' || isItemItself(list, repeated)) return { type: { is: 'other', name: 'struct' }, isNullable: false }
  return { type: parquetType(only), isNullable: only.element.repetition_type === 'OPTIONAL' }
}

const listType = (list: SchemaTree): ValueType => {
  const { type, isNullable } = listItem(list)
  return type.is === 'other' ? { is: 'other', name: `list of ${type.name}` } : { is: 'list', item: type, itemNullable: isNullable, name: `list of ${type.name}` }
}

/**
 * The type of a column of the file, physical and logical type taken together, lists of lists included, those of old writers and of Protocol Buffers (which
 * repeat without saying that this is a list) too; structs and maps are `other`.
 *
 * @see https://github.com/apache/parquet-format/blob/master/LogicalTypes.md (Lists, backward-compatibility rules)
 */
export const parquetType = (node: SchemaTree): ValueType => {
  const { element, children } = node
  if (element.repetition_type === 'REPEATED') {
    const item: ValueType = children.length === 0 ? leafType(element) : { is: 'other', name: 'group' }
    return item.is === 'other' ? { is: 'other', name: `repeated ${item.name}` } : { is: 'list', item, itemNullable: false, name: `repeated ${item.name}` }
  }
  if (children.length === 0) return leafType(element)
  return isListGroup(node) ? listType(node) : { is: 'other', name: element.converted_type ?? element.logical_type?.type ?? 'struct' }
}
