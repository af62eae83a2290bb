import { failure, type MillraceError, type TimeUnit } from '@millrace/core'
import type { FlatTable } from './flat-table.js'
import type { ValueType } from '../values/index.js'

/** How a column lies in the body of a record batch. */
export type ArrowLayout =
  | { readonly as: 'null' | 'bits' | 'fixed-list' | 'struct' | 'run-end' }
  | { readonly as: 'fixed'; readonly bytes: number }
  | { readonly as: 'bytes' | 'list' | 'list-view'; readonly large: boolean }
  | { readonly as: 'view' }
  | { readonly as: 'union'; readonly dense: boolean }

/** The dictionary that a column's values stand in. */
export interface ArrowDictionary {
  readonly id: bigint
  readonly indexBytes: number
  readonly indexSigned: boolean
}

/** A column of an Arrow schema: its meaning, its layout, its children. */
export interface ArrowField {
  readonly name: string
  readonly nullable: boolean
  /** What the values mean; of a dictionary, its values. `other` where no kind of ours holds them. */
  readonly type: ValueType
  /** How the values lie; of a dictionary, its values. */
  readonly layout: ArrowLayout
  /** Items of each list of a `fixed-list`. */
  readonly size: number
  readonly dictionary: ArrowDictionary | undefined
  readonly children: readonly ArrowField[]
}

/** Whether each slot has a value of its own, that some kind of column holds: dictionaries of others are not read. */
export const holdsPlainValues = ({ type, layout }: ArrowField): boolean => type.is !== 'other' && type.is !== 'list' && layout.as !== 'run-end'

const units: readonly TimeUnit[] = ['s', 'ms', 'us', 'ns']

/** Numbers of the union `Type`, by their names. @see https://github.com/apache/arrow/blob/main/format/Schema.fbs */
const names = [
  'NONE', 'Null', 'Int', 'FloatingPoint', 'Binary', 'Utf8', 'Bool', 'Decimal', 'Date', 'Time', 'Timestamp', 'Interval', 'List', 'Struct', 'Union', 'FixedSizeBinary',
  'FixedSizeList', 'Map', 'Duration', 'LargeBinary', 'LargeUtf8', 'LargeList', 'RunEndEncoded', 'BinaryView', 'Utf8View', 'ListView', 'LargeListView',
]

type Shape = Pick<ArrowField, 'type' | 'layout'> & { readonly size?: number }

const fixed = (bytes: number): ArrowLayout => ({ as: 'fixed', bytes })

const widths = (bits: number, allowed: readonly number[]): number => {
  if (!allowed.includes(bits)) throw new Error(`a column has values of ${bits} bits`)
  return bits / 8
}

const listType = (name: string, [item]: readonly ArrowField[]): ValueType => {
  if (item === undefined) throw new Error('a list has no items')
  return item.type.is === 'other' ? { is: 'other', name: `${name} of ${item.type.name}` } : { is: 'list', item: item.type, itemNullable: item.nullable, name: `${name} of ${item.type.name}` }
}

/** The type of the values of runs, whose ends are integers. */
const runsType = ([ends, values]: readonly ArrowField[]): ValueType => {
  if (ends?.type.is !== 'integer' || !ends.type.signed || ends.type.bits < 16 || ends.dictionary !== undefined || values === undefined) throw new Error('a column of runs has no ends or no values')
  return values.type.is === 'other' ? { is: 'other', name: `RunEndEncoded of ${values.type.name}` } : values.type
}

/** Times of day and durations: integers of their unit. */
const counted = (name: string, unit: number, bytes: number): Shape => ({ type: { is: 'integer', bits: 8 * bytes, signed: true, name: `${name}(${units[unit] ?? 'no unit'})` }, layout: fixed(bytes) })

const shapeOf = (name: string, type: FlatTable, children: readonly ArrowField[]): Shape => {
  const other = (layout: ArrowLayout): Shape => ({ type: { is: 'other', name }, layout })
  switch (name) {
    case 'Null':
      return { type: { is: 'null', name }, layout: { as: 'null' } }
    case 'Int': {
      const bytes = widths(type.int(0), [8, 16, 32, 64])
      const signed = type.byte(1) !== 0
      return { type: { is: 'integer', bits: bytes * 8, signed, name: `${signed ? 'Int' : 'Uint'}${bytes * 8}` }, layout: fixed(bytes) }
    }
    case 'FloatingPoint': {
      const precision = type.short(0)
      const is = (['half', 'float', 'double'] as const)[precision]
      if (is === undefined) throw new Error(`floats have the precision ${precision}`)
      return { type: { is, name: `Float${16 << precision}` }, layout: fixed(2 << precision) }
    }
    case 'Utf8':
    case 'LargeUtf8':
    case 'Binary':
    case 'LargeBinary':
      return { type: { is: name.endsWith('Utf8') ? 'text' : 'bytes', name }, layout: { as: 'bytes', large: name.startsWith('Large') } }
    case 'Utf8View':
    case 'BinaryView':
      return { type: { is: name === 'Utf8View' ? 'text' : 'bytes', name }, layout: { as: 'view' } }
    case 'Bool':
      return { type: { is: 'bool', name }, layout: { as: 'bits' } }
    case 'Decimal': {
      const [precision, scale, bytes] = [type.int(0), type.int(1), widths(type.int(2, 128), [32, 64, 128, 256])]
      const sound = precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision
      return { type: sound ? { is: 'decimal', precision, scale, name: `Decimal${bytes * 8}(${precision}, ${scale})` } : { is: 'other', name: `${name}(${precision}, ${scale})` }, layout: fixed(bytes) }
    }
    case 'Date':
      return type.short(0, 1) === 0 ? { type: { is: 'date', name }, layout: fixed(4) } : { type: { is: 'instant', unit: 'ms', name: 'Date64' }, layout: fixed(8) }
    case 'Timestamp': {
      const unit = units[type.short(0)]
      if (unit === undefined) throw new Error('a timestamp has no unit')
      return { type: { is: 'instant', unit, name: `Timestamp(${unit})` }, layout: fixed(8) }
    }
    case 'Time':
      return counted(name, type.short(0, 1), widths(type.int(1, 32), [32, 64]))
    case 'Duration':
      return counted(name, type.short(0, 1), 8)
    case 'Interval':
      return other(fixed([4, 8, 16][type.short(0)] ?? 16))
    case 'FixedSizeBinary': {
      const bytes = type.int(0)
      if (bytes < 0) throw new Error(`a column has values of ${bytes} bytes`)
      return { type: { is: 'bytes', name: `FixedSizeBinary(${bytes})` }, layout: fixed(bytes) }
    }
    case 'List':
    case 'LargeList':
      return { type: listType(name, children), layout: { as: 'list', large: name === 'LargeList' } }
    case 'FixedSizeList': {
      const size = type.int(0)
      if (size < 0) throw new Error(`a column has lists of ${size} items`)
      return { type: listType(name, children), layout: { as: 'fixed-list' }, size }
    }
    case 'ListView':
    case 'LargeListView':
      return { type: listType(name, children), layout: { as: 'list-view', large: name === 'LargeListView' } }
    case 'Map':
      return { type: listType(name, children), layout: { as: 'list', large: false } }
    case 'Struct':
      return other({ as: 'struct' })
    case 'Union':
      return other({ as: 'union', dense: type.short(0) === 1 })
    case 'RunEndEncoded':
      return { type: runsType(children), layout: { as: 'run-end' } }
    default:
      throw new Error(`columns of the type ${name} are not known`)
  }
}

const fieldOf = (table: FlatTable): ArrowField => {
  const type = table.table(3)
  if (type === undefined) throw new Error('a column has no type')
  const name = names[table.byte(2)] ?? `number ${table.byte(2)}`
  const children = table.tables(5).map(fieldOf).map(name === 'Map' ? asEntries : (child) => child)
  const encoding = table.table(4)
  return { name: table.text(0) ?? '', nullable: table.byte(1) !== 0, children, size: 0, ...shapeOf(name, type, children), dictionary: encoding === undefined ? undefined : dictionaryOf(encoding) }
}

/** The pairs of a map, whose parts writers call as they like. */
const asEntries = (entries: ArrowField): ArrowField => ({ ...entries, children: entries.children.map((child, i) => ({ ...child, name: ['key', 'value'][i] ?? child.name })) })

const dictionaryOf = (encoding: FlatTable): ArrowDictionary => {
  const index = encoding.table(1)
  return { id: encoding.long(0), indexBytes: index === undefined ? 4 : widths(index.int(0), [8, 16, 32, 64]), indexSigned: index === undefined || index.byte(1) !== 0 }
}

const unread = (problem: string, remedy: string): MillraceError => failure({ tag: 'Schema', code: 'ARROW_NOT_READ', problem, remedy })

/** The columns of a schema. @throws for types that are not known, and for big-endian data */
export const arrowFields = (schema: FlatTable): readonly ArrowField[] => {
  if (schema.short(0) !== 0) throw unread('the file is big-endian', 'Write it again on a little-endian machine, or with pyarrow, which reads it.')
  return schema.tables(1).map(fieldOf)
}
