import type { Field } from '../schema/index.js'
import { BaseColumn, type Column } from './column.js'
import { countNulls, sliceValidity, takeValidity } from './validity.js'

/** Values stored once in `dictionary`; each row holds an index into it. */
export class DictionaryColumn<T = unknown> extends BaseColumn<T> {
  readonly length: number
  readonly nullCount: number

  constructor(
    field: Field<T>,
    readonly indices: Int32Array,
    readonly dictionary: Column<T>,
    validity: Uint8Array | undefined,
  ) {
    super(field, validity)
    this.length = indices.length
    this.nullCount = countNulls(validity, this.length)
  }

  protected value(row: number): T {
    return this.dictionary.get(this.indices[row]!)
  }

  slice(start: number, end: number): DictionaryColumn<T> {
    return new DictionaryColumn(this.field, this.indices.subarray(start, end), this.dictionary, sliceValidity(this.validity, start, end))
  }

  take(indices: Int32Array): DictionaryColumn<T> {
    const taken = new Int32Array(indices.length)
    for (let i = 0; i < indices.length; i++) if (indices[i]! >= 0) taken[i] = this.indices[indices[i]!]!
    return new DictionaryColumn(this.field, taken, this.dictionary, takeValidity(this.validity, indices))
  }

  /** The same rows with their values written out. */
  expand(): Column<T> {
    const indices = new Int32Array(this.length)
    for (let row = 0; row < this.length; row++) indices[row] = this.isValid(row) ? this.indices[row]! : -1
    return this.dictionary.take(indices)
  }
}
