import { bitmapBytes, clearBit, ConversionError, ListColumn, type Column, type Field } from '@millrace/core'
import { convertValues, type ConvertedColumn, type ValueType } from '../values/index.js'
import type { LeafPath, ListLevels } from './leaf-path.js'
import type { Leaf } from './read-leaf.js'

/** The values of a column of a row group, as a column of `target`: a leaf's, or lists of them. */
export const convertColumn = (target: Field, type: ValueType, path: LeafPath, leaf: Leaf): ConvertedColumn =>
  leaf.levels === undefined ? convertValues(target, type, leaf) : convertLists(target, type, path, leaf, leaf.levels, 0)

type Levels = NonNullable<Leaf['levels']>

interface ListShape {
  readonly offsets: Int32Array
  readonly nulls: readonly number[]
}

/** Which items belong to which list, by the levels: a list begins where the repetition level is below that of its items. */
const listShape = ({ repetition, definition, count }: Levels, list: ListLevels, exists: number): ListShape => {
  const offsets = new Int32Array(count + 1)
  const nulls: number[] = []
  let lists = 0
  let items = 0
  for (let i = 0; i < count; i++) {
    const level = definition[i]!
    if (level < exists) continue
    if (repetition[i]! < list.repetition) {
      offsets[lists++] = items
      if (level < list.defined) nulls.push(lists - 1)
    } else if (lists === 0) throw new Error('a column begins within a list')
    if (level >= list.item && repetition[i]! <= list.repetition) items++
  }
  offsets[lists] = items
  return { offsets: offsets.subarray(0, lists + 1), nulls }
}

const convertLists = (target: Field, type: ValueType, path: LeafPath, leaf: Leaf, levels: Levels, depth: number): ConvertedColumn => {
  if (type.is !== 'list' || target.kind !== 'list') throw new Error('the levels of a column do not fit its type')
  const list = path.lists[depth]!
  const itemField = target.params.item!
  const { offsets, nulls } = listShape(levels, list, depth === 0 ? 0 : path.lists[depth - 1]!.item)
  const items = depth + 1 < path.lists.length ? convertLists(itemField, type.item, path, leaf, levels, depth + 1) : convertValues(itemField, type.item, leaf)
  const count = offsets.length - 1
  if (items.column.length !== offsets[count]) throw new Error(`lists of ${offsets[count]} items have ${items.column.length}`)
  const faults = new Map<number, ConversionError>()
  let validity: Uint8Array | undefined
  const clear = (row: number): void => {
    validity ??= new Uint8Array(bitmapBytes(count)).fill(0xff)
    clearBit(validity, row)
  }
  for (const row of nulls) {
    clear(row)
    if (!target.nullable) faults.set(row, new ConversionError('NULL', 'a list that may not be null is null'))
  }
  const fault = (row: number, error: ConversionError): void => {
    clear(row)
    if (!faults.has(row)) faults.set(row, error)
  }
  for (const [item, error] of items.faults) fault(rowOf(offsets, item), error)
  const { size } = target.params
  if (size !== undefined) {
    const missing = new Set(nulls)
    for (let row = 0; row < count; row++) {
      const length = offsets[row + 1]! - offsets[row]!
      if (length !== size && !missing.has(row)) fault(row, new ConversionError('OUT_OF_RANGE', `a list of ${length} items where ${size} are due`))
    }
  }
  return { column: new ListColumn({ ...target, nullable: true } as Field, offsets, items.column as Column, validity), faults }
}

/** The list that an item belongs to. */
const rowOf = (offsets: Int32Array, item: number): number => {
  let low = 0
  let high = offsets.length - 1
  while (low + 1 < high) {
    const middle = (low + high) >> 1
    if (offsets[middle]! <= item) low = middle
    else high = middle
  }
  // Lists without items begin where the next one does: the last that begins there has it.
  return low
}
