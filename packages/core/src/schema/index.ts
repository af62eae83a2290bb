export { field } from './field.js'
export type {
  Binary, Bool, DateOnly, Decimal, Dictionary, Field, FieldParams, Float32, Float64, Int16, Int32, Int64, Int64AsNumber, Int8,
  List, Nullable, Row, Schema, TimeUnit, Timestamp, TimestampOptions, Uint16, Uint32, Uint64, Uint64AsNumber, Uint8, Utf8,
} from './field.js'
export { ConversionError, showValue } from './convert.js'
export { timeFormat } from './time-format.js'
export type { TimeFormat } from './time-format.js'
export { describeField, listNames, requireColumn, requireFields, sameField } from './describe.js'
