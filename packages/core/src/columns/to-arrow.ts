import * as arrow from 'apache-arrow'
import { failure } from '../errors/index.js'
import type { Field, Schema, TimeUnit } from '../schema/index.js'
import { BoolColumn } from './bool-column.js'
import { BytesColumn } from './bytes-column.js'
import type { Column } from './column.js'
import { DecimalColumn } from './decimal-column.js'
import { DictionaryColumn } from './dictionary-column.js'
import { FixedColumn } from './fixed-column.js'
import { ListColumn } from './list-column.js'

const units: Record<TimeUnit, arrow.TimeUnit> = {
  s: arrow.TimeUnit.SECOND, ms: arrow.TimeUnit.MILLISECOND, us: arrow.TimeUnit.MICROSECOND, ns: arrow.TimeUnit.NANOSECOND,
}

const types: { readonly [kind: string]: (field: Field) => arrow.DataType } = {
  bool: () => new arrow.Bool(),
  int8: () => new arrow.Int8(),
  int16: () => new arrow.Int16(),
  int32: () => new arrow.Int32(),
  int64: () => new arrow.Int64(),
  uint8: () => new arrow.Uint8(),
  uint16: () => new arrow.Uint16(),
  uint32: () => new arrow.Uint32(),
  uint64: () => new arrow.Uint64(),
  float32: () => new arrow.Float32(),
  float64: () => new arrow.Float64(),
  utf8: () => new arrow.Utf8(),
  binary: () => new arrow.Binary(),
  date: () => new arrow.DateDay(),
  // Instants are stored in UTC whatever the zone of their texts.
  timestamp: ({ params }) => new arrow.Timestamp(units[params.unit ?? 'ms'], 'UTC'),
  decimal: ({ params }) => new arrow.Decimal(params.scale ?? 0, params.precision ?? 38, 128),
  dictionary: ({ params }) => new arrow.Dictionary(arrowType(params.item!), new arrow.Int32()),
  list: ({ params }) => new arrow.List(new arrow.Field('item', arrowType(params.item!), params.item!.nullable)),
}

/** The Arrow type of a field. */
export const arrowType = (field: Field): arrow.DataType => {
  const make = types[field.kind]
  if (make === undefined) throw failure({ tag: 'Schema', code: 'UNKNOWN_KIND', problem: `no such kind of field: ${field.kind}` })
  return make(field)
}

/** The Arrow schema of a Millrace schema. Dictionaries get ids by their place, the same for the same schema. */
export const arrowSchema = (schema: Schema): arrow.Schema =>
  new arrow.Schema(Object.entries(schema).map(([name, field], index) => new arrow.Field(name, stableType(field, index), field.nullable)))

const stableType = (field: Field, index: number): arrow.DataType =>
  field.kind === 'dictionary' ? new arrow.Dictionary(arrowType(field.params.item!), new arrow.Int32(), index) : arrowType(field)

/** The column's buffers as Arrow data, without a copy. */
export const arrowData = (column: Column, type: arrow.DataType = arrowType(column.field)): arrow.Data => {
  const common = { type, length: column.length, nullCount: column.nullCount, nullBitmap: column.validity ?? null }
  const make = arrow.makeData as (props: object) => arrow.Data
  if (column instanceof FixedColumn) return make({ ...common, data: column.values })
  if (column instanceof BytesColumn) return make({ ...common, valueOffsets: column.offsets, data: column.bytes })
  if (column instanceof BoolColumn) return make({ ...common, data: column.bits })
  if (column instanceof DecimalColumn) {
    return make({ ...common, data: new Uint32Array(column.words.buffer, column.words.byteOffset, column.words.length * 2) })
  }
  if (column instanceof ListColumn) {
    return make({ ...common, valueOffsets: column.offsets, child: arrowData(column.items, (type as arrow.List).children[0]!.type as arrow.DataType) })
  }
  if (column instanceof DictionaryColumn) {
    const dictionary = new arrow.Vector([arrowData(column.dictionary, (type as arrow.Dictionary).dictionary as arrow.DataType)])
    return make({ ...common, data: column.indices, dictionary })
  }
  throw failure({ tag: 'Internal', code: 'UNKNOWN_LAYOUT', problem: `no Arrow form for ${column.constructor.name}` })
}
