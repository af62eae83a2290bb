import { failure } from '../errors/index.js'
import type { Field } from '../schema/index.js'
import { BoolColumn } from './bool-column.js'
import { BytesColumn } from './bytes-column.js'
import type { Column, Values } from './column.js'
import { DictionaryColumn } from './dictionary-column.js'
import { FixedColumn } from './fixed-column.js'
import { fixedKinds } from './kinds.js'
import { ListColumn } from './list-column.js'

/** A fixed-width column over `values`, one element a row, without copying. `validity` is an Arrow bitmap from bit 0. */
export const fixedColumn = <T, V extends Values>(field: Field<T>, values: V, validity?: Uint8Array | undefined): FixedColumn<T, V> => {
  const kind = fixedKinds[field.kind]
  if (kind === undefined || !(values instanceof kind.array)) {
    throw failure({ tag: 'Schema', code: 'WRONG_BUFFER', problem: `a column of kind ${field.kind} cannot be made of ${values.constructor.name}` })
  }
  return new FixedColumn<T, V>(field, values, validity, kind.read(field) as never)
}

/** A `utf8` or `binary` column over `length + 1` offsets into `bytes`, without copying. */
export const bytesColumn = <T>(field: Field<T>, offsets: Int32Array, bytes: Uint8Array, validity?: Uint8Array | undefined): BytesColumn<T> =>
  new BytesColumn(field, offsets, bytes, validity)

/** A `bool` column over a bitmap, without copying. */
export const boolColumn = <T>(field: Field<T>, bits: Uint8Array, length: number, validity?: Uint8Array | undefined): BoolColumn<T> =>
  new BoolColumn(field, bits, length, validity)

/**
 * The same stored values under another field of the same kind: another nullability, another text format, `int64` shown as
 * another type.
 *
 * @throws `Schema` when the stored values would mean something else: another kind, unit, scale or list size
 */
export const withField = <T>(column: Column, field: Field<T>): Column<T> => {
  if (column.field === (field as Field)) return column as Column<T>
  requireSameLayout(column, field)
  const clone = Object.create(Object.getPrototypeOf(column) as object) as Record<string, unknown>
  Object.assign(clone, column, { field })
  if (column instanceof FixedColumn) clone['read'] = fixedKinds[field.kind]!.read(field)
  if (column instanceof ListColumn) clone['items'] = withField(column.items, field.params.item!)
  if (column instanceof DictionaryColumn) clone['dictionary'] = withField(column.dictionary, field.params.item!)
  return clone as unknown as Column<T>
}

const requireSameLayout = (column: Column, field: Field): void => {
  const { kind, params } = column.field
  const mismatch = (have: string, want: string): Error =>
    failure({ tag: 'Schema', code: 'KIND_MISMATCH', problem: `a column of ${have} cannot stand for ${want}`, remedy: 'Convert it with withSchema.' })
  if (kind !== field.kind) throw mismatch(`kind ${kind}`, `kind ${field.kind}`)
  if (kind === 'timestamp' && (params.unit ?? 'ms') !== (field.params.unit ?? 'ms')) {
    throw mismatch(`timestamps in ${params.unit ?? 'ms'}`, `timestamps in ${field.params.unit ?? 'ms'}`)
  }
  if (kind === 'decimal' && (params.scale ?? 0) !== (field.params.scale ?? 0)) {
    throw mismatch(`decimals of ${params.scale ?? 0} places`, `decimals of ${field.params.scale ?? 0} places`)
  }
  const { size } = field.params
  if (column instanceof ListColumn && size !== undefined && params.size !== size) {
    for (let row = 0; row < column.length; row++) {
      const items = column.offsets[row + 1]! - column.offsets[row]!
      if (items !== size && column.isValid(row)) throw mismatch(`lists of ${items} items`, `lists of ${size}`)
    }
  }
}
