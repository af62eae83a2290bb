import { fromUnknown } from '../errors/index.js'
import type { Field } from '../schema/index.js'
import { describeField } from '../schema/describe.js'
import { getBit } from './bitmap.js'

/**
 * One column of a batch, in Arrow's memory layout: typed arrays, no object a value.
 *
 * A column is immutable by contract; its buffers may be shared with other columns and must not be written to.
 *
 * @typeParam T - type of a value, `null` included where the field is nullable
 */
export interface Column<T = unknown> {
  readonly field: Field<T>
  /** Number of rows. */
  readonly length: number
  /** Arrow validity bitmap from bit 0; absent when nothing is null. */
  readonly validity: Uint8Array | undefined
  readonly nullCount: number
  /** The value in a row, `null` where it is null. */
  get(row: number): T
  /** True when the row is not null. */
  isValid(row: number): boolean
  /** Rows `start` to `end`, sharing buffers where the layout allows. */
  slice(start: number, end: number): Column<T>
  /** The rows at `indices`, in that order. An index of -1 gives a null. */
  take(indices: Int32Array): Column<T>
  /** All values, as JavaScript values. */
  toArray(): T[]
}

/** Typed arrays that hold fixed-width columns. */
export type Values =
  | Int8Array | Int16Array | Int32Array | BigInt64Array
  | Uint8Array | Uint16Array | Uint32Array | BigUint64Array
  | Float32Array | Float64Array

/** Values that `console.log` shows of a column. */
const SHOWN_VALUES = 10

/** What every layout shares. */
export abstract class BaseColumn<T> implements Column<T> {
  abstract readonly length: number
  abstract readonly nullCount: number
  constructor(
    readonly field: Field<T>,
    readonly validity: Uint8Array | undefined,
  ) {}

  protected abstract value(row: number): T
  abstract slice(start: number, end: number): Column<T>
  abstract take(indices: Int32Array): Column<T>

  isValid(row: number): boolean {
    return this.validity === undefined || getBit(this.validity, row)
  }

  get(row: number): T {
    return this.validity === undefined || getBit(this.validity, row) ? this.value(row) : (null as T)
  }

  toArray(): T[] {
    const out = new Array<T>(this.length)
    for (let row = 0; row < out.length; row++) out[row] = this.get(row)
    return out
  }
  toString(): string {
    return `Column(${describeField(this.field)}, ${this.length} rows)`
  }

  /** `console.log` shows the first values. */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: object, inspect: (value: unknown, options: object) => string): string {
    const left = this.length - SHOWN_VALUES
    return `${this.toString()} ${inspect(Array.from({ length: Math.min(this.length, SHOWN_VALUES) }, (_, row) => shownValue(this, row)), options)}${left > 0 ? ` and ${left} more` : ''}`
  }
}

/** A value as it is shown to people; of one that rows cannot have, such as an instant beyond what a `Date` holds, what is wrong with it. */
export const shownValue = (column: Column, row: number): unknown => {
  try {
    return column.get(row)
  } catch (error) {
    return fromUnknown(error).problem
  }
}
