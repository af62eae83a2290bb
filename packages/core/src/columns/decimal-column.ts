import type { Field } from '../schema/index.js'
import { BaseColumn } from './column.js'
import { countNulls, sliceValidity, takeValidity } from './validity.js'

/** Text of a scaled integer: `decimalText(-1230n, 2)` is `"-12.30"`. */
export const decimalText = (unscaled: bigint, scale: number): string => {
  if (scale <= 0) return `${unscaled}`
  const digits = `${unscaled < 0n ? -unscaled : unscaled}`.padStart(scale + 1, '0')
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** Exact decimals as Arrow Decimal128: two 64-bit words a row, low word first, two's complement. */
export class DecimalColumn<T = string> extends BaseColumn<T> {
  readonly length: number
  readonly nullCount: number

  constructor(
    field: Field<T>,
    /** `2 × length` words. */
    readonly words: BigInt64Array,
    validity: Uint8Array | undefined,
  ) {
    super(field, validity)
    this.length = words.length >> 1
    this.nullCount = countNulls(validity, this.length)
  }

  /** The value times 10^scale. */
  unscaled(row: number): bigint {
    return (this.words[2 * row + 1]! << 64n) | BigInt.asUintN(64, this.words[2 * row]!)
  }

  protected value(row: number): T {
    return decimalText(this.unscaled(row), this.field.params.scale ?? 0) as T
  }

  slice(start: number, end: number): DecimalColumn<T> {
    return new DecimalColumn(this.field, this.words.subarray(2 * start, 2 * end), sliceValidity(this.validity, start, end))
  }

  take(indices: Int32Array): DecimalColumn<T> {
    const words = new BigInt64Array(2 * indices.length)
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i]!
      if (index < 0) continue
      words[2 * i] = this.words[2 * index]!
      words[2 * i + 1] = this.words[2 * index + 1]!
    }
    return new DecimalColumn(this.field, words, takeValidity(this.validity, indices))
  }
}
