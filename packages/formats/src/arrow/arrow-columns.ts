import { field, type Field } from '@millrace/core'
import { fieldOf, type ToldColumn, type ValueType } from '../values/index.js'
import type { ArrowStored } from './arrow-stored.js'
import { holdsPlainValues, type ArrowField } from './arrow-type.js'

/** A column of a file: one of its own, or what a struct, a map or a list of them holds of one name. */
export interface ArrowColumn extends ToldColumn {
  /** The fields on the way to it, itself the last. */
  readonly through: readonly ArrowField[]
  /** Which child of each struct on the way leads to it. */
  readonly steps: readonly number[]
}

const asNullable = (of: Field): Field => (of.nullable ? of : field.nullable(of))

/** A column of what a field is around: null where the field is. */
const within = (around: ArrowField, column: ArrowColumn, steps = column.steps): ArrowColumn => ({
  ...column, through: [around, ...column.through], steps, own: around.nullable && column.own !== undefined ? asNullable(column.own) : column.own,
})

/** The column of lists of what a column of their items holds. */
const inList = (list: ArrowField, column: ArrowColumn): ArrowColumn => {
  const { type: item, own } = column
  const name = `List of ${item.name}`
  const type: ValueType = item.is === 'other' ? { is: 'other', name } : { is: 'list', item, itemNullable: own?.nullable ?? true, name }
  const plain = own === undefined ? undefined : field.list(own, list.layout.as === 'fixed-list' ? { size: list.size } : {})
  return within(list, { ...column, type, own: plain })
}

const plainColumn = (of: ArrowField, keys: readonly string[]): ArrowColumn => {
  const { dictionary, nullable } = of
  const type: ValueType = dictionary === undefined || holdsPlainValues(of) ? of.type : { is: 'other', name: `Dictionary of ${of.type.name}` }
  const plain = fieldOf(type, false)
  const own = plain === undefined || dictionary === undefined ? plain : field.dictionary(plain)
  return { keys, type, own: own === undefined || !nullable ? own : field.nullable(own), through: [of], steps: [] }
}

const columnsIn = (of: ArrowField, keys: readonly string[]): readonly ArrowColumn[] => {
  const { children, dictionary, layout } = of
  const [first, second] = children
  if (dictionary !== undefined || first === undefined) return [plainColumn(of, keys)]
  switch (layout.as) {
    case 'struct':
      return children.flatMap((child, i) => columnsIn(child, [...keys, child.name]).map((column) => within(of, column, [i, ...column.steps])))
    case 'list':
    case 'list-view':
    case 'fixed-list':
      return columnsIn(first, keys).map((column) => inList(of, column))
    case 'run-end':
      return columnsIn(second!, keys).map((column) => within(of, column))
    default:
      return [plainColumn(of, keys)]
  }
}

/**
 * The columns of a file, in order. What structs hold is called by the names on the way to it; a list or a map of structs is a list of each of their fields,
 * a map a list of keys and one of values.
 */
export const arrowColumns = (fields: readonly ArrowField[]): readonly ArrowColumn[] => fields.flatMap((of) => columnsIn(of, [of.name]))

/** What a column holds of what was decoded of the field that it is in. */
export const storedOf = (stored: ArrowStored, [step, ...steps]: readonly number[]): Exclude<ArrowStored, { readonly is: 'struct' }> => {
  if (stored.is === 'lists') return { ...stored, items: storedOf(stored.items, step === undefined ? [] : [step, ...steps]) }
  if (stored.is === 'slots') return stored
  const child = step === undefined ? undefined : stored.children[step]
  if (child === undefined) throw new Error('a field of a struct was not decoded')
  return storedOf(child, steps)
}
