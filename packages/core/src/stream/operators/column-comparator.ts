import { BoolColumn, BytesColumn, DecimalColumn, DictionaryColumn, FixedColumn, type Column } from '../../columns/index.js'
import { failure } from '../../errors/index.js'
import { describeField, type Field } from '../../schema/index.js'

/** Compares two rows of a column: negative when the first comes first. */
export type Compare = (a: number, b: number) => number

/** Checks that a column can be sorted by. @throws `Schema` */
export const requireSortable = (field: Field, name: string): void => {
  const kind = field.kind === 'dictionary' ? field.params.item!.kind : field.kind
  if (kind !== 'list') return
  throw failure({ tag: 'Schema', code: 'NOT_SORTABLE', problem: `a column of ${describeField(field)} has no order`, remedy: 'Sort by another column.', position: { column: name } })
}

/** The order of a column's rows; nulls come last in both directions. */
export const columnComparator = (column: Column, order: 'asc' | 'desc'): Compare => {
  const ascending = valueComparator(column)
  const compare: Compare = order === 'asc' ? ascending : (a, b) => ascending(b, a)
  if (column.nullCount === 0) return compare
  return (a, b) => {
    const validA = column.isValid(a)
    const validB = column.isValid(b)
    return validA && validB ? compare(a, b) : Number(validB) - Number(validA)
  }
}

const valueComparator = (column: Column): Compare => {
  if (column instanceof FixedColumn) {
    const values = column.values as Float64Array
    if (column.values instanceof Float32Array || column.values instanceof Float64Array) return (a, b) => compareFloats(values[a]!, values[b]!)
    return (a, b) => (values[a]! < values[b]! ? -1 : values[a]! > values[b]! ? 1 : 0)
  }
  if (column instanceof BytesColumn) return (a, b) => compareBytes(column.bytes, column.offsets, a, b)
  if (column instanceof BoolColumn) return (a, b) => Number(column.get(a)) - Number(column.get(b))
  if (column instanceof DecimalColumn) {
    return (a, b) => {
      const difference = column.unscaled(a) - column.unscaled(b)
      return difference < 0n ? -1 : difference > 0n ? 1 : 0
    }
  }
  if (column instanceof DictionaryColumn) return dictionaryComparator(column)
  throw failure({ tag: 'Internal', code: 'UNKNOWN_LAYOUT', problem: `no order for ${column.constructor.name}` })
}

const compareFloats = (a: number, b: number): number => {
  if (a < b) return -1
  if (a > b) return 1
  return a === b ? 0 : Number(Number.isNaN(a)) - Number(Number.isNaN(b))
}

const compareBytes = (bytes: Uint8Array, offsets: Int32Array, a: number, b: number): number => {
  let i = offsets[a]!
  let j = offsets[b]!
  const endA = offsets[a + 1]!
  const endB = offsets[b + 1]!
  for (; i < endA && j < endB; i++, j++) {
    const difference = bytes[i]! - bytes[j]!
    if (difference !== 0) return difference
  }
  return endA - i - (endB - j)
}

/** Ranks the dictionary's values once; rows compare by the ranks of their values. */
const dictionaryComparator = (column: DictionaryColumn): Compare => {
  const { dictionary, indices } = column
  const compare = valueComparator(dictionary)
  const sorted = Int32Array.from({ length: dictionary.length }, (_, i) => i).sort(compare)
  const ranks = new Int32Array(dictionary.length)
  for (let i = 1; i < sorted.length; i++) {
    // A dictionary may hold a value twice.
    ranks[sorted[i]!] = ranks[sorted[i - 1]!]! + (compare(sorted[i - 1]!, sorted[i]!) === 0 ? 0 : 1)
  }
  return (a, b) => ranks[indices[a]!]! - ranks[indices[b]!]!
}
