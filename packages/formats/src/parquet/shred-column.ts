import { DictionaryColumn, ListColumn, type Column, type Field } from '@millrace/core'

/** A column as Parquet stores it: levels, and the values that are not null. */
export interface Shredded {
  /** Values of the innermost items, without nulls. */
  readonly values: Column
  readonly definition: ArrayLike<number>
  readonly repetition: ArrayLike<number>
  /** Levels, nulls and empty lists included. */
  readonly count: number
}

/** The field of the innermost items. */
export const leafField = (field: Field): Field => (field.kind === 'list' ? leafField(field.params.item!) : field)

/** Highest levels below a field. */
export const highestLevels = (field: Field): { readonly definition: number; readonly repetition: number } => {
  const own = field.nullable ? 1 : 0
  if (field.kind !== 'list') return { definition: own, repetition: 0 }
  const { definition, repetition } = highestLevels(field.params.item!)
  return { definition: own + 1 + definition, repetition: repetition + 1 }
}

/** The innermost items of a column, dictionary and all. */
export const leafColumn = (column: Column): Column => (column instanceof ListColumn ? leafColumn(column.items) : column)

/**
 * Splits rows into levels and values.
 *
 * @see https://parquet.apache.org/docs/file-format/nestedencoding/
 */
export const shred = (column: Column, field: Field): Shredded => {
  if (!(column instanceof ListColumn)) return shredFlat(column, field)
  const definition: number[] = []
  const repetition: number[] = []
  const taken: number[] = []
  const emit = (again: number, level: number): void => {
    repetition.push(again)
    definition.push(level)
  }
  const walk = (of: Column, what: Field, row: number, again: number, level: number, depth: number): void => {
    if (what.nullable && !of.isValid(row)) return emit(again, level)
    const present = what.nullable ? level + 1 : level
    if (!(of instanceof ListColumn)) {
      emit(again, present)
      taken.push(row)
      return
    }
    const start = of.offsets[row]!
    const end = of.offsets[row + 1]!
    if (start === end) return emit(again, present)
    for (let item = start; item < end; item++) walk(of.items, what.params.item!, item, item === start ? again : depth + 1, present + 1, depth + 1)
  }
  for (let row = 0; row < column.length; row++) walk(column, field, row, 0, 0, 0)
  return { values: leafColumn(column).take(Int32Array.from(taken)), definition, repetition, count: definition.length }
}

const shredFlat = (column: Column, field: Field): Shredded => {
  const { length, nullCount } = column
  const definition = new Uint8Array(field.nullable ? length : 0).fill(1)
  if (nullCount === 0) return { values: column, definition, repetition: [], count: length }
  const taken = new Int32Array(length - nullCount)
  let values = 0
  for (let row = 0; row < length; row++) {
    if (column.isValid(row)) taken[values++] = row
    else definition[row] = 0
  }
  return { values: column.take(taken), definition, repetition: [], count: length }
}

/** A column that is no dictionary: its rows written out. */
export const expanded = (column: Column): Column => (column instanceof DictionaryColumn ? column.expand() : column)
