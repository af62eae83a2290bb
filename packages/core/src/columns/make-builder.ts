import { failure } from '../errors/index.js'
import type { Field } from '../schema/index.js'
import { BoolBuilder } from './bool-builder.js'
import { BytesBuilder } from './bytes-builder.js'
import type { ColumnBuilder } from './column-builder.js'
import { DecimalBuilder } from './decimal-builder.js'
import { DictionaryBuilder } from './dictionary-builder.js'
import { DateBuilder, FloatBuilder, Integer64Builder, IntegerBuilder, TimestampBuilder } from './fixed-builder.js'
import { ListBuilder } from './list-builder.js'

const builders: { readonly [kind: string]: (field: Field) => ColumnBuilder } = {
  bool: (field) => new BoolBuilder(field),
  int8: (field) => new IntegerBuilder(field),
  int16: (field) => new IntegerBuilder(field),
  int32: (field) => new IntegerBuilder(field),
  uint8: (field) => new IntegerBuilder(field),
  uint16: (field) => new IntegerBuilder(field),
  uint32: (field) => new IntegerBuilder(field),
  int64: (field) => new Integer64Builder(field),
  uint64: (field) => new Integer64Builder(field),
  float32: (field) => new FloatBuilder(field),
  float64: (field) => new FloatBuilder(field),
  date: (field) => new DateBuilder(field),
  timestamp: (field) => new TimestampBuilder(field),
  utf8: (field) => new BytesBuilder(field),
  binary: (field) => new BytesBuilder(field),
  decimal: (field) => new DecimalBuilder(field),
  dictionary: (field) => new DictionaryBuilder(field, makeBuilder(field.params.item!)),
  list: (field) => new ListBuilder(field, makeBuilder(field.params.item!)),
}

/** The builder of a field's column. @throws `Schema` for a kind that is not in the table */
export const makeBuilder = <T>(field: Field<T>): ColumnBuilder<T> => {
  const make = builders[field.kind]
  if (make === undefined) {
    throw failure({ tag: 'Schema', code: 'UNKNOWN_KIND', problem: `no such kind of field: ${field.kind}`, remedy: `Known kinds: ${Object.keys(builders).join(', ')}.` })
  }
  return make(field as Field) as ColumnBuilder<T>
}

/** A column of JavaScript values. @throws ConversionError for a value that does not fit */
export const columnFrom = <T>(field: Field<T>, values: Iterable<unknown>): ReturnType<ColumnBuilder<T>['finish']> => {
  const builder = makeBuilder(field)
  for (const value of values) builder.append(value)
  return builder.finish()
}
