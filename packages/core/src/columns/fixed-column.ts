import type { Field } from '../schema/index.js'
import { BaseColumn, type Values } from './column.js'
import { countNulls, sliceValidity, takeValidity } from './validity.js'

/** Reads one stored element as a JavaScript value. */
export type ReadValue<T, V extends Values> = (values: V, row: number) => T

/**
 * Fixed-width values in one typed array: integers, floats, dates (`Int32Array` of days), timestamps (`BigInt64Array`).
 * Where a row is null, its element is 0.
 */
export class FixedColumn<T = unknown, V extends Values = Values> extends BaseColumn<T> {
  readonly length: number
  readonly nullCount: number

  constructor(
    field: Field<T>,
    /** One element a row. */
    readonly values: V,
    validity: Uint8Array | undefined,
    private readonly read: ReadValue<T, V>,
  ) {
    super(field, validity)
    this.length = values.length
    this.nullCount = countNulls(validity, this.length)
  }

  protected value(row: number): T {
    return this.read(this.values, row)
  }

  slice(start: number, end: number): FixedColumn<T, V> {
    return new FixedColumn(this.field, this.values.subarray(start, end) as V, sliceValidity(this.validity, start, end), this.read)
  }

  take(indices: Int32Array): FixedColumn<T, V> {
    const values = new (this.values.constructor as new (length: number) => V)(indices.length)
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i]!
      if (index >= 0) values[i] = this.values[index]!
    }
    return new FixedColumn(this.field, values, takeValidity(this.validity, indices), this.read)
  }
}
