import { timeFormat, type TimeFormat } from '../schema/time-format.js'
import type { Field } from '../schema/index.js'
import { BaseBuilder } from './base-builder.js'
import type { Column, Values } from './column.js'
import { towardsFloat32 } from './float32-text.js'
import { fixedKinds, inexactNumber, unitMilliseconds, type FixedKind } from './kinds.js'
import { fixedColumn } from './make-column.js'

const FIRST_CAPACITY = 1024
const integerText = /^[+-]?\d+$/
const floatText = /^[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)$/
const specialFloats = new Map([
  ['nan', NaN], ['inf', Infinity], ['+inf', Infinity], ['-inf', -Infinity], ['infinity', Infinity], ['+infinity', Infinity], ['-infinity', -Infinity],
])
const DAY = 86_400_000

/** Builds the columns of one typed array; subclasses say how a value is stored. */
abstract class FixedBuilder<V extends Values> extends BaseBuilder<unknown> {
  protected readonly kind: FixedKind
  protected values: V

  constructor(field: Field) {
    super(field)
    this.kind = fixedKinds[field.kind]!
    this.values = new this.kind.array(FIRST_CAPACITY) as V
  }

  protected put(value: number | bigint): void {
    if (this.length === this.values.length) {
      const grown = new this.kind.array(this.values.length * 2) as V
      grown.set(this.values as never)
      this.values = grown
    }
    this.values[this.length] = value as never
  }

  protected storeNull(): void {
    this.put((this.values instanceof BigInt64Array || this.values instanceof BigUint64Array ? 0n : 0) as never)
  }

  protected cut(): void {
    // Rows past the length are overwritten.
  }

  protected build(validity: Uint8Array | undefined): Column {
    const values = this.values.slice(0, this.length) as V
    return fixedColumn(this.field, values, validity)
  }
}

/** int8 to uint32. */
export class IntegerBuilder extends FixedBuilder<Int32Array> {
  private readonly least = this.kind.range![0] as number
  private readonly most = this.kind.range![1] as number

  protected store(value: unknown): void {
    if (typeof value === 'bigint') value = Number(value)
    if (typeof value !== 'number') throw this.wrongType(value)
    if (!Number.isInteger(value)) throw this.wrongType(value)
    if (value < this.least || value > this.most) throw this.outOfRange(value)
    this.put(value)
  }

  protected storeText(text: string): void {
    if (!integerText.test(text)) throw this.badText(text)
    const value = Number(text)
    if (value < this.least || value > this.most) throw this.outOfRange(text)
    this.put(value)
  }
}

/** int64 and uint64, exact over the whole range; as numbers over theirs. */
export class Integer64Builder extends FixedBuilder<BigInt64Array> {
  private readonly least = this.kind.range![0] as bigint
  private readonly most = this.kind.range![1] as bigint
  private readonly isNumber = this.field.params.as === 'number'

  private putChecked(value: bigint): void {
    if (value < this.least || value > this.most) throw this.outOfRange(value)
    if (this.isNumber && !Number.isSafeInteger(Number(value))) throw inexactNumber(value)
    this.put(value)
  }

  protected store(value: unknown): void {
    if (typeof value === 'bigint') return this.putChecked(value)
    if (typeof value !== 'number' || !Number.isInteger(value)) throw this.wrongType(value)
    // A number beyond 2^53 was rounded before it came here; which integer was meant is lost.
    if (!Number.isSafeInteger(value)) throw this.outOfRange(value)
    this.putChecked(BigInt(value))
  }

  protected storeText(text: string): void {
    if (!integerText.test(text)) throw this.badText(text)
    // 19 digits and a sign hold every 64-bit integer but the largest unsigned ones; longer texts would make BigInt slow.
    if (text.length > 40) throw this.outOfRange(text)
    this.putChecked(BigInt(text.startsWith('+') ? text.slice(1) : text))
  }
}

/**
 * float32 and float64. Numbers are rounded to the nearest float; a finite one that would become infinite is out of range.
 * Integers given as `bigint` are taken when a float64 holds them exactly.
 */
export class FloatBuilder extends FixedBuilder<Float64Array> {
  private readonly single = this.field.kind === 'float32'

  private putFinite(value: number, shown: unknown): void {
    if (!Number.isFinite(this.single ? Math.fround(value) : value)) throw this.outOfRange(shown)
    this.put(value)
  }

  protected store(value: unknown): void {
    if (typeof value === 'bigint') {
      const number = Number(value)
      if (!Number.isFinite(number) || BigInt(number) !== value) throw this.outOfRange(value)
      value = number
    }
    if (typeof value !== 'number') throw this.wrongType(value)
    if (Number.isFinite(value)) this.putFinite(value, value)
    else this.put(value)
  }

  protected storeText(text: string): void {
    if (floatText.test(text)) {
      const value = Number(text)
      return this.putFinite(this.single ? towardsFloat32(text, value) : value, text)
    }
    const special = specialFloats.get(text.toLowerCase())
    if (special === undefined) throw this.badText(text)
    this.put(special)
  }
}

/** date: days since 1970-01-01. Takes `Date` (its UTC day) and texts. */
export class DateBuilder extends FixedBuilder<Int32Array> {
  private readonly format: TimeFormat = timeFormat(this.field.params, true)

  protected store(value: unknown): void {
    if (typeof value === 'string') return this.storeText(value)
    if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw this.wrongType(value)
    this.put(Math.floor(value.getTime() / DAY))
  }

  protected storeText(text: string): void {
    this.put(Math.floor(this.format.parse(text) / DAY))
  }
}

/** timestamp: takes `Date`, texts, and `bigint` in the field's unit. */
export class TimestampBuilder extends FixedBuilder<BigInt64Array> {
  private readonly format: TimeFormat = timeFormat(this.field.params)
  private readonly unit = this.field.params.unit ?? 'ms'

  private putChecked(value: bigint, shown: unknown): void {
    // A typed array would keep the low 64 bits only: another instant.
    if (BigInt.asIntN(64, value) !== value) throw this.outOfRange(shown)
    this.put(value)
  }

  private inUnits(milliseconds: number): bigint {
    const perUnit = unitMilliseconds[this.unit]
    return perUnit >= 1 ? BigInt(Math.floor(milliseconds / perUnit)) : BigInt(milliseconds) * BigInt(Math.round(1 / perUnit))
  }

  protected store(value: unknown): void {
    if (typeof value === 'bigint') return this.putChecked(value, value)
    if (typeof value === 'string') return this.storeText(value)
    if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw this.wrongType(value)
    this.putChecked(this.inUnits(value.getTime()), value)
  }

  protected storeText(text: string): void {
    let value = this.inUnits(this.format.parse(text))
    if (this.unit === 'us' || this.unit === 'ns') {
      const nanoseconds = BigInt(this.format.beyond(text))
      value += this.unit === 'ns' ? nanoseconds : nanoseconds / 1000n
    }
    this.putChecked(value, text)
  }
}
