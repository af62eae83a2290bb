import { ConversionError, showValue } from '../schema/convert.js'
import { requireDecimal, type Field } from '../schema/field.js'
import { BaseBuilder } from './base-builder.js'
import type { Column } from './column.js'
import { DecimalColumn } from './decimal-column.js'

const decimalPattern = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/

/** Exact decimals, from texts, numbers (by their shortest text) and `bigint`. Digits that do not fit are an error, never rounded. */
export class DecimalBuilder extends BaseBuilder<unknown> {
  private words = new BigInt64Array(2048)
  private readonly scale: number
  private readonly limit: bigint

  constructor(field: Field) {
    super(field)
    // Schemas that were made by hand, or parsed, are not checked yet.
    requireDecimal(field.params)
    this.scale = field.params.scale ?? 0
    this.limit = 10n ** BigInt(field.params.precision ?? 38)
  }

  private put(unscaled: bigint, shown: unknown): void {
    if (unscaled >= this.limit || unscaled <= -this.limit) throw this.outOfRange(shown)
    if (2 * this.length === this.words.length) {
      const grown = new BigInt64Array(this.words.length * 2)
      grown.set(this.words)
      this.words = grown
    }
    this.words[2 * this.length] = BigInt.asIntN(64, unscaled)
    this.words[2 * this.length + 1] = unscaled >> 64n
  }

  protected store(value: unknown): void {
    if (typeof value === 'bigint') return this.put(value * 10n ** BigInt(this.scale), value)
    if (typeof value === 'number' && Number.isFinite(value)) return this.storeText(String(value))
    if (typeof value === 'string') return this.storeText(value)
    throw this.wrongType(value)
  }

  protected storeText(text: string): void {
    const match = text.length > 100 ? null : decimalPattern.exec(text)
    if (match === null || (match[2] === '' && (match[3] ?? '') === '')) throw this.badText(text)
    const [, sign, whole = '', fraction = '', exponent = '0'] = match
    const digits = BigInt(`${whole}${fraction}` || '0')
    const shift = this.scale - fraction.length + Number(exponent)
    let unscaled = digits
    if (shift >= 0) unscaled = digits * 10n ** BigInt(Math.min(shift, 100))
    else {
      const divisor = 10n ** BigInt(-shift)
      if (digits % divisor !== 0n) throw new ConversionError('OUT_OF_RANGE', `${showValue(text)} has more digits after the point than the scale of the decimal, which is ${this.scale}`)
      unscaled = digits / divisor
    }
    this.put(sign === '-' ? -unscaled : unscaled, text)
  }

  protected storeNull(): void {
    this.put(0n, 0)
  }

  protected cut(): void {
    // Rows past the length are overwritten.
  }

  protected build(validity: Uint8Array | undefined): Column {
    return new DecimalColumn(this.field, this.words.slice(0, 2 * this.length), validity)
  }
}
