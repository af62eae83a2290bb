import { bitmapBytes, clearBit, setBit } from './bitmap.js'

/** Grows a validity bitmap; nothing is allocated until the first null. */
export class ValidityBuilder {
  private bits: Uint8Array | undefined
  private nulls = 0

  /** Notes whether row `row` is valid; rows come in order. */
  push(row: number, valid: boolean): void {
    if (this.bits === undefined) {
      if (valid) return
      this.bits = new Uint8Array(Math.max(64, bitmapBytes(row + 1) * 2)).fill(0xff)
    } else if (row >> 3 >= this.bits.length) {
      const grown = new Uint8Array(this.bits.length * 2).fill(0xff)
      grown.set(this.bits)
      this.bits = grown
    }
    if (valid) setBit(this.bits, row)
    else {
      clearBit(this.bits, row)
      this.nulls++
    }
  }

  truncate(length: number, previous: number): void {
    if (this.bits === undefined) return
    for (let row = length; row < previous; row++) {
      if (((this.bits[row >> 3]! >> (row & 7)) & 1) === 0) this.nulls--
      setBit(this.bits, row)
    }
  }

  finish(length: number): Uint8Array | undefined {
    const { bits, nulls } = this
    this.bits = undefined
    this.nulls = 0
    if (bits === undefined || nulls === 0) return undefined
    const out = new Uint8Array(bitmapBytes(length)).fill(0xff)
    out.set(bits.subarray(0, Math.min(bits.length, out.length)))
    return out
  }
}
