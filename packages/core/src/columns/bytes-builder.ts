import { ConversionError, showValue } from '../schema/convert.js'
import type { Field } from '../schema/index.js'
import { BaseBuilder } from './base-builder.js'
import { BytesColumn } from './bytes-column.js'
import type { Column } from './column.js'

const encoder = new TextEncoder()
/** Arrow's utf8 and binary offsets are signed 32-bit. */
const MAX_BYTES = 2147483647

/** utf8 and binary. Strings are encoded as UTF-8, which half of a surrogate pair has no form in; bytes are copied. */
export class BytesBuilder extends BaseBuilder<unknown> {
  private offsets = new Int32Array(1025)
  private bytes = new Uint8Array(16 * 1024)
  private used = 0

  constructor(field: Field) {
    super(field)
  }

  /** Appends `source[start..end]`: the way in for readers that have bytes at hand. */
  appendBytes(source: Uint8Array, start: number, end: number): void {
    this.storeBytes(source, start, end)
    this.validity.push(this.length++, true)
  }

  private reserve(more: number): void {
    const need = this.used + more
    if (need > MAX_BYTES) throw new ConversionError('OUT_OF_RANGE', 'the column would hold more than 2 GiB in one batch')
    if (need <= this.bytes.length) return
    const grown = new Uint8Array(Math.min(MAX_BYTES, Math.max(need, this.bytes.length * 2)))
    grown.set(this.bytes.subarray(0, this.used))
    this.bytes = grown
  }

  private end(): void {
    if (this.length + 1 === this.offsets.length) {
      const grown = new Int32Array(this.offsets.length * 2)
      grown.set(this.offsets)
      this.offsets = grown
    }
    this.offsets[this.length + 1] = this.used
  }

  private storeBytes(source: Uint8Array, start: number, end: number): void {
    const size = end - start
    this.reserve(size)
    const { bytes, used } = this
    if (size > 48) bytes.set(source.subarray(start, end), used)
    else for (let i = 0; i < size; i++) bytes[used + i] = source[start + i]!
    this.used = used + size
    this.end()
  }

  protected store(value: unknown): void {
    if (typeof value === 'string' && this.field.kind === 'utf8') return this.storeText(value)
    if (value instanceof Uint8Array && this.field.kind === 'binary') return this.storeBytes(value, 0, value.length)
    throw this.wrongType(value)
  }

  protected storeText(text: string): void {
    // UTF-16 units take at most three bytes each.
    this.reserve(text.length * 3)
    let { used } = this
    const { bytes } = this
    let i = 0
    for (; i < text.length && i < 64; i++) {
      const code = text.charCodeAt(i)
      if (code > 127) break
      bytes[used++] = code
    }
    // The encoder would put U+FFFD in its place: another text.
    if (i < text.length && !text.isWellFormed()) throw new ConversionError('BAD_TEXT', `${showValue(text)} has half of a surrogate pair, which is no Unicode`)
    if (i < text.length) used += encoder.encodeInto(i === 0 ? text : text.slice(i), bytes.subarray(used)).written
    this.used = used
    this.end()
  }

  protected storeNull(): void {
    this.end()
  }

  protected cut(length: number): void {
    this.used = this.offsets[length]!
  }

  protected build(validity: Uint8Array | undefined): Column {
    const column = new BytesColumn(this.field, this.offsets.slice(0, this.length + 1), this.bytes.slice(0, this.used), validity)
    this.used = 0
    return column
  }
}
