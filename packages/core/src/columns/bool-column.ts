import type { Field } from '../schema/index.js'
import { getBit, setBit, bitmapBytes, sliceBits } from './bitmap.js'
import { BaseColumn } from './column.js'
import { countNulls, sliceValidity, takeValidity } from './validity.js'

/** Booleans, one bit a row, in Arrow's bit order. */
export class BoolColumn<T = boolean> extends BaseColumn<T> {
  readonly nullCount: number

  constructor(
    field: Field<T>,
    /** Bitmap from bit 0. */
    readonly bits: Uint8Array,
    readonly length: number,
    validity: Uint8Array | undefined,
  ) {
    super(field, validity)
    this.nullCount = countNulls(validity, length)
  }

  protected value(row: number): T {
    return getBit(this.bits, row) as T
  }

  slice(start: number, end: number): BoolColumn<T> {
    return new BoolColumn(this.field, sliceBits(this.bits, start, end - start), end - start, sliceValidity(this.validity, start, end))
  }

  take(indices: Int32Array): BoolColumn<T> {
    const bits = new Uint8Array(bitmapBytes(indices.length))
    for (let i = 0; i < indices.length; i++) if (indices[i]! >= 0 && getBit(this.bits, indices[i]!)) setBit(bits, i)
    return new BoolColumn(this.field, bits, indices.length, takeValidity(this.validity, indices))
  }
}
