import { failure } from '../errors/index.js'
import type { Field } from '../schema/index.js'
import { BoolColumn } from './bool-column.js'
import { BytesColumn } from './bytes-column.js'
import type { Column, Values } from './column.js'
import { FixedColumn } from './fixed-column.js'
import { fixedKinds } from './kinds.js'

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

/** The same values under another field of the same kind (another nullability, other parameters). */
export const withField = <T>(column: Column, field: Field<T>): Column<T> => {
  if (column.field === (field as Field)) return column as Column<T>
  if (column.field.kind !== field.kind) {
    throw failure({ tag: 'Schema', code: 'KIND_MISMATCH', problem: `a column of kind ${column.field.kind} cannot stand for kind ${field.kind}` })
  }
  const clone = Object.create(Object.getPrototypeOf(column) as object) as Record<string, unknown>
  Object.assign(clone, column, { field })
  if (column instanceof FixedColumn) clone['read'] = fixedKinds[field.kind]!.read(field)
  return clone as unknown as Column<T>
}
