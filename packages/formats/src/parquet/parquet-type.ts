import type { TimeUnit } from '@millrace/core'
import type { SchemaElement } from 'hyparquet'
import type { ValueType } from '../values/index.js'

const units: Record<string, TimeUnit> = { MILLIS: 'ms', MICROS: 'us', NANOS: 'ns' }

const decimalType = ({ precision = 38, scale = 0 }: SchemaElement, name: string): ValueType =>
  precision >= 1 && scale >= 0 && scale <= precision ? { is: 'decimal', precision, scale, name } : { is: 'other', name: `${name}(${precision}, ${scale})` }

/**
 * The type of a leaf, physical and logical type taken together.
 *
 * @see https://github.com/apache/parquet-format/blob/master/LogicalTypes.md
 */
export const leafType = (element: SchemaElement): ValueType => {
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
