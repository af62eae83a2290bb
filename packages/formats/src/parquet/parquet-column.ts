import { bitmapBytes, clearBit, type Field } from '@millrace/core'
import { convertList, convertValues, type ConvertedColumn, type ValueType } from '../values/index.js'
import type { LeafPath, ListLevels } from './leaf-path.js'
import type { Leaf } from './read-leaf.js'

/** Offsets of lists within lists take four bytes a level and value, of which runs of levels have as many as they like in a few bytes of the file. */
const MAX_OFFSETS = 2 ** 28

/** The values of a column of a row group, as a column of `target`: a leaf's, or lists of them. */
export const convertColumn = (target: Field, type: ValueType, path: LeafPath, leaf: Leaf): ConvertedColumn => {
  const { levels } = leaf
  if (levels === undefined) return convertValues(target, type, leaf)
  if (levels.count * path.lists.length > MAX_OFFSETS) throw new Error(`a page has ${levels.count} values within ${path.lists.length} lists, more than is read at once`)
  return convertLists(target, type, path, leaf, levels, 0)
}

type Levels = NonNullable<Leaf['levels']>

interface ListShape {
  readonly offsets: Int32Array
  readonly validity: Uint8Array | undefined
}

/** Which items belong to which list, by the levels: a list begins where the repetition level is below that of its items. */
const listShape = ({ repetition, definition, count }: Levels, list: ListLevels, exists: number): ListShape => {
  const offsets = new Int32Array(count + 1)
  let validity: Uint8Array | undefined
  let lists = 0
  let items = 0
  for (let i = 0; i < count; i++) {
    const level = definition[i]!
    if (level < exists) continue
    if (repetition[i]! < list.repetition) {
      offsets[lists++] = items
      if (level < list.defined) clearBit((validity ??= new Uint8Array(bitmapBytes(count)).fill(0xff)), lists - 1)
    } else if (lists === 0) throw new Error('a column begins within a list')
    if (level >= list.item && repetition[i]! <= list.repetition) items++
  }
  offsets[lists] = items
  return { offsets: offsets.subarray(0, lists + 1), validity }
}

const convertLists = (target: Field, type: ValueType, path: LeafPath, leaf: Leaf, levels: Levels, depth: number): ConvertedColumn => {
  if (type.is !== 'list' || target.kind !== 'list') throw new Error('the levels of a column do not fit its type')
  const list = path.lists[depth]!
  const itemField = target.params.item!
  const { offsets, validity } = listShape(levels, list, depth === 0 ? 0 : path.lists[depth - 1]!.item)
  const items = depth + 1 < path.lists.length ? convertLists(itemField, type.item, path, leaf, levels, depth + 1) : convertValues(itemField, type.item, leaf)
  if (items.column.length !== offsets.at(-1)) throw new Error(`lists of ${offsets.at(-1)} items have ${items.column.length}`)
  return convertList(target, offsets, validity, items)
}
