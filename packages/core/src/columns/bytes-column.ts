import type { Field } from '../schema/index.js'
import { BaseColumn } from './column.js'
import { countNulls, sliceValidity, takeValidity } from './validity.js'

const SHORT = 24

/**
 * The text of bytes `start` to `end`. Short ASCII, which most values are, skips the decoder's call.
 * Bytes that are not UTF-8 become U+FFFD.
 */
export const decodeText = (bytes: Uint8Array, start: number, end: number): string => {
  if (end - start <= SHORT) {
    let text = ''
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!
      if (byte > 127) return textDecoder.decode(bytes.subarray(start, end))
      text += String.fromCharCode(byte)
    }
    return text
  }
  return textDecoder.decode(bytes.subarray(start, end))
}
const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Strings (UTF-8) or byte strings: row `i` is `bytes[offsets[i] .. offsets[i + 1]]`. */
export class BytesColumn<T = string | Uint8Array> extends BaseColumn<T> {
  readonly length: number
  readonly nullCount: number
  private readonly isText: boolean

  constructor(
    field: Field<T>,
    /** `length + 1` offsets into `bytes`; the first need not be 0. */
    readonly offsets: Int32Array,
    readonly bytes: Uint8Array,
    validity: Uint8Array | undefined,
  ) {
    super(field, validity)
    this.length = offsets.length - 1
    this.nullCount = countNulls(validity, this.length)
    this.isText = field.kind === 'utf8'
  }

  protected value(row: number): T {
    const start = this.offsets[row]!
    const end = this.offsets[row + 1]!
    return (this.isText ? decodeText(this.bytes, start, end) : this.bytes.slice(start, end)) as T
  }

  slice(start: number, end: number): BytesColumn<T> {
    return new BytesColumn(this.field, this.offsets.subarray(start, end + 1), this.bytes, sliceValidity(this.validity, start, end))
  }

  take(indices: Int32Array): BytesColumn<T> {
    const offsets = new Int32Array(indices.length + 1)
    let total = 0
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i]!
      if (index >= 0) total += this.offsets[index + 1]! - this.offsets[index]!
      offsets[i + 1] = total
    }
    const bytes = new Uint8Array(total)
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i]!
      if (index < 0) continue
      const start = this.offsets[index]!
      const end = this.offsets[index + 1]!
      const to = offsets[i]!
      if (end - start > 48) bytes.set(this.bytes.subarray(start, end), to)
      else for (let from = start, at = to; from < end; from++, at++) bytes[at] = this.bytes[from]!
    }
    return new BytesColumn(this.field, offsets, bytes, takeValidity(this.validity, indices))
  }
}
