import type { SchemaElement, SchemaTree } from 'hyparquet'
import { fieldOf, type ToldColumn, type ValueType } from '../values/index.js'
import type { LeafPath, ListLevels } from './leaf-path.js'
import { leafType } from './parquet-type.js'

/** A column of a file: a leaf of its schema. */
export interface ParquetColumn extends ToldColumn {
  readonly path: LeafPath
}

/** Groups within groups beyond this are damage: levels of leaves are kept in bytes. */
const MAX_DEPTH = 128

/** @throws an error for a schema that is nested deeper than columns are read, before anything goes down it */
export const requireShallow = (schema: readonly SchemaElement[]): void => {
  /** How many children of each group around are still to come. */
  const due: number[] = []
  for (const { num_children: children = 0 } of schema) {
    while (due.at(-1) === 0) due.pop()
    if (due.length > 0) due[due.length - 1]!--
    due.push(children)
    if (due.length > MAX_DEPTH + 1) throw new Error(`its groups are nested more than ${MAX_DEPTH} levels deep`)
  }
}

/** A place in the schema: what leads there, and the levels of what stands there. */
interface Place extends Omit<LeafPath, 'name' | 'index' | 'element'> {
  readonly keys: readonly string[]
}

const top: Place = { keys: [], path: [], definition: 0, repetition: 0, lists: [] }

/** The place of a child, which has the keys of what is around it unless it is given others. */
const below = ({ element: { name, repetition_type: repeats } }: SchemaTree, around: Place, keys = around.keys): Place => {
  const { definition, repetition } = around
  const path = [...around.path, name]
  if (repeats !== 'REPEATED') return { ...around, keys, path, definition: repeats === 'REQUIRED' ? definition : definition + 1 }
  const list: ListLevels = { repetition: repetition + 1, defined: definition, item: definition + 1 }
  return { keys, path, definition: definition + 1, repetition: repetition + 1, lists: [...around.lists, list] }
}

const isAnnotated = ({ element: { converted_type: converted, logical_type: logical } }: SchemaTree, ...names: readonly string[]): boolean =>
  (converted !== undefined && names.includes(converted)) || (logical !== undefined && names.includes(logical.type))

const repeatedChild = ({ children: [child, ...more] }: SchemaTree): SchemaTree | undefined => (child?.element.repetition_type === 'REPEATED' && more.length === 0 ? child : undefined)

/** What is repeated in a list, with a layer around each item or without. */
const repeatedOfList = (node: SchemaTree): SchemaTree | undefined => (isAnnotated(node, 'LIST') ? repeatedChild(node) : undefined)

/** The pairs of a map, which old writers annotate otherwise; a set of keys has no values. */
const entriesOfMap = (node: SchemaTree): SchemaTree | undefined => {
  const entries = isAnnotated(node, 'MAP', 'MAP_KEY_VALUE') ? repeatedChild(node) : undefined
  return entries === undefined || entries.children.length === 0 || entries.children.length > 2 ? undefined : entries
}

/** Whether what is repeated in a list is the item itself, as old writers have it, and no layer around it. */
const isItemItself = (list: SchemaTree, repeated: SchemaTree): boolean => {
  const { element: { name }, children: [only, ...more] } = repeated
  return only === undefined || more.length > 0 || only.element.repetition_type === 'REPEATED' || name === 'array' || name === `${list.element.name}_tuple` || isAnnotated(repeated, 'LIST', 'MAP')
}

const columnsIn = (node: SchemaTree, place: Place): readonly ParquetColumn[] => {
  if (node.children.length === 0) return [leafColumn(node.element, place)]
  const repeated = repeatedOfList(node)
  if (repeated !== undefined) {
    const within = below(repeated, place)
    return isItemItself(node, repeated) ? columnsIn(repeated, within) : columnsIn(repeated.children[0]!, below(repeated.children[0]!, within))
  }
  const entries = entriesOfMap(node)
  const within = entries === undefined ? place : below(entries, place)
  const { children } = entries ?? node
  const keyOf = (child: SchemaTree, index: number): string => (entries === undefined ? child.element.name : index === 0 ? 'key' : 'value')
  return children.flatMap((child, index) => columnsIn(child, below(child, within, [...place.keys, keyOf(child, index)])))
}

/** A leaf as a column: its values, in a list for each list around it. What is null around it makes it null. */
const leafColumn = (element: SchemaElement, { keys, ...place }: Place): ParquetColumn => {
  let type = leafType(element)
  let { definition: present } = place
  for (const { item, defined } of [...place.lists].reverse()) {
    const name = `list of ${type.name}`
    type = type.is === 'other' ? { is: 'other', name } : ({ is: 'list', item: type, itemNullable: present > item, name } satisfies ValueType)
    present = defined
  }
  return { keys, type, own: fieldOf(type, present > 0), path: { ...place, name: keys.join('.'), index: 0, element } }
}

/**
 * The columns of a file, in order: the leaves of its schema. What structs hold is called by the names on the way to it; a list or a map of structs is a list
 * of each of their fields, a map a list of keys and one of values. Lists and maps are read in any of the forms that writers have had, also where what
 * repeats does not say that it is a list (Protocol Buffers).
 *
 * @see https://github.com/apache/parquet-format/blob/master/LogicalTypes.md (Nested Types, backward-compatibility rules)
 */
export const parquetColumns = (root: SchemaTree): readonly ParquetColumn[] =>
  root.children.flatMap((node) => columnsIn(node, below(node, top, [node.element.name]))).map((column, index) => ({ ...column, path: { ...column.path, index } }))
