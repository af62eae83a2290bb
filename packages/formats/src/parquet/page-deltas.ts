import { unpackBits } from './page-runs.js'

/** Values of a block beyond this are damage: writers use 128. */
const MAX_BLOCK = 1 << 16
/** Sums below this are exact in numbers. */
const SAFE = 2 ** 52
/** Width of the differences that 32-bit arithmetic unpacks. */
const SMALL_WIDTH = 24

/**
 * Values of DELTA_BINARY_PACKED: differences in blocks of bit-packed values.
 *
 * @see https://parquet.apache.org/docs/file-format/data-pages/encodings/ (DELTA_BINARY_PACKED)
 */
export class DeltaReader {
  /** Offset after what was read. */
  at: number
  private small = new Int32Array(0)

  constructor(
    private readonly bytes: Uint8Array,
    from: number,
  ) {
    this.at = from
  }

  private varint(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes[this.at++]
      if (byte === undefined || shift > 63n) throw new Error('a number of a page does not end')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }

  private zigzag(): bigint {
    const value = this.varint()
    return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
  }

  /** Reads `due` values, and hands over each: a number where it is exact as one. Sums wrap around in 64 bits. */
  read(due: number, take: (value: number | bigint, index: number) => void): void {
    const block = Number(this.varint())
    const parts = Number(this.varint())
    const total = Number(this.varint())
    let value = plainest(this.zigzag())
    if (total !== due) throw new Error(`a page has ${total} deltas for ${due} values`)
    const perPart = block / parts
    if (!(block <= MAX_BLOCK && parts > 0 && Number.isInteger(perPart) && perPart % 8 === 0 && perPart > 0)) throw new Error('a page of deltas has impossible blocks')
    if (total === 0) return
    take(value, 0)
    for (let index = 1; index < total; ) {
      const least = plainest(this.zigzag())
      const widths = this.bytes.subarray(this.at, this.at + parts)
      this.at += parts
      for (let part = 0; part < parts && index < total; part++) {
        const width = widths[part] ?? 255
        const count = Math.min(perPart, total - index)
        if (width > 64 || this.at + Math.ceil((width * count) / 8) > this.bytes.length) throw new Error('a page of deltas ends too early')
        value = this.readPart(value, least, width, count, index, take)
        index += count
        this.at += (perPart * width) >> 3
      }
    }
    // The filling of the last block may be left out.
    this.at = Math.min(this.at, this.bytes.length)
  }

  private readPart(from: number | bigint, least: number | bigint, width: number, count: number, index: number, take: (value: number | bigint, index: number) => void): number | bigint {
    if (width <= SMALL_WIDTH && typeof from === 'number' && typeof least === 'number' && Math.abs(from) + count * (Math.abs(least) + 2 ** width) < SAFE) {
      if (this.small.length < count) this.small = new Int32Array(count)
      unpackBits(this.bytes, this.at, width, this.small, 0, count)
      let value = from
      for (let i = 0; i < count; i++) take((value += least + this.small[i]!), index + i)
      return value
    }
    let value = BigInt(from)
    const step = BigInt(least)
    for (let i = 0; i < count; i++) {
      value = BigInt.asIntN(64, value + step + this.bits(i * width, width))
      take(value, index + i)
    }
    return plainest(value)
  }

  /** `width` bits from bit `place` on, at most 64 and 7 before them. */
  private bits(place: number, width: number): bigint {
    const first = this.at + (place >> 3)
    const last = this.at + ((place + width + 7) >> 3)
    let value = 0n
    for (let at = last - 1; at >= first; at--) value = (value << 8n) | BigInt(this.bytes[at]!)
    return BigInt.asUintN(width, value >> BigInt(place & 7))
  }
}

const plainest = (value: bigint): number | bigint => (value > -4503599627370496n && value < 4503599627370496n ? Number(value) : value)
