import { BoolColumn, BytesColumn, DecimalColumn, DictionaryColumn, FixedColumn, ListColumn, decodeText, fixedColumn, type Column } from '../columns/index.js'
import { decimalText } from '../columns/decimal-column.js'
import type { Field } from '../schema/index.js'
import { Moments } from './moments.js'
import { ValueCounts } from './value-counts.js'

/** What is known of one column after all its batches. */
export interface ColumnSummary {
  readonly count: number
  readonly nulls: number
  readonly nans: number
  readonly min: unknown
  readonly max: unknown
  readonly mean: number | undefined
  readonly stddev: number | undefined
  readonly distinct: number | undefined
  readonly top: readonly { readonly value: unknown; readonly count: number }[]
}

/** Sees one column batch by batch. */
export class ColumnAccumulator {
  private count = 0
  private nulls = 0
  private nans = 0
  private min: unknown
  private max: unknown
  private readonly moments = new Moments()
  private readonly values: ValueCounts
  private readonly hasMean: boolean
  /** Stored values (days, units of a timestamp) become row values at the end. */
  private show: (stored: unknown) => unknown = (stored) => stored

  constructor(
    field: Field,
    distinctLimit: number,
    private readonly topValues: number,
  ) {
    this.values = new ValueCounts(distinctLimit)
    this.hasMean = !['utf8', 'binary', 'date', 'timestamp'].includes(field.kind === 'dictionary' ? field.params.item!.kind : field.kind)
  }

  update(column: Column): void {
    this.nulls += column.nullCount
    this.count += column.length - column.nullCount
    if (column instanceof FixedColumn) this.fixed(column)
    else if (column instanceof BytesColumn) this.bytes(column)
    else if (column instanceof DictionaryColumn) this.dictionary(column)
    else for (let row = 0; row < column.length; row++) if (column.isValid(row)) this.other(column, row)
  }

  finish(): ColumnSummary {
    const measured = this.hasMean && this.moments.count > 0
    return {
      count: this.count,
      nulls: this.nulls,
      nans: this.nans,
      min: this.min === undefined ? undefined : this.show(this.min),
      max: this.max === undefined ? undefined : this.show(this.max),
      mean: measured ? this.moments.mean : undefined,
      stddev: measured ? this.moments.stddev : undefined,
      distinct: this.values.distinct,
      top: this.values.top(this.topValues).map(({ value, count }) => ({ value: this.show(value), count })),
    }
  }

  private range(value: number | bigint): void {
    if (this.min === undefined || value < (this.min as number)) this.min = value
    if (this.max === undefined || value > (this.max as number)) this.max = value
  }

  private fixed(column: FixedColumn): void {
    const { field, values, validity } = column
    if (field.kind === 'date' || field.kind === 'timestamp') this.show = (stored) => shownValue(field, stored)
    else if (field.params.as === 'number') this.show = Number
    for (let row = 0; row < values.length; row++) {
      if (validity !== undefined && !column.isValid(row)) continue
      const value = values[row]!
      if (value !== value) this.nans++
      else {
        this.range(value)
        if (this.hasMean) this.moments.add(Number(value))
        if (this.values.exact) this.values.add(value)
      }
    }
  }

  private bytes(column: BytesColumn): void {
    if (column.field.kind === 'binary') return
    const { bytes, offsets } = column
    for (let row = 0; row < column.length; row++) {
      if (column.isValid(row)) this.text(decodeText(bytes, offsets[row]!, offsets[row + 1]!), 1)
    }
  }

  private text(text: string, times: number): void {
    if (this.min === undefined || text < (this.min as string)) this.min = text
    if (this.max === undefined || text > (this.max as string)) this.max = text
    this.values.add(text, times)
  }

  private dictionary(column: DictionaryColumn): void {
    const counts = new Int32Array(column.dictionary.length)
    for (let row = 0; row < column.length; row++) if (column.isValid(row)) counts[column.indices[row]!]!++
    for (let index = 0; index < counts.length; index++) {
      const times = counts[index]!
      if (times === 0) continue
      const value = column.dictionary.get(index)
      if (typeof value === 'string') this.text(value, times)
      else if (typeof value === 'number' || typeof value === 'bigint') {
        this.range(value)
        for (let i = 0; i < times; i++) this.moments.add(Number(value))
        this.values.add(value, times)
      }
    }
  }

  private other(column: Column, row: number): void {
    if (column instanceof ListColumn) {
      const items = column.offsets[row + 1]! - column.offsets[row]!
      this.range(items)
      this.moments.add(items)
    } else if (column instanceof BoolColumn) {
      const value = column.get(row) === true
      this.moments.add(Number(value))
      this.values.add(value)
    } else if (column instanceof DecimalColumn) {
      const text = column.get(row) as string
      const unscaled = column.unscaled(row)
      this.range(unscaled)
      this.show = (stored) => (typeof stored === 'bigint' ? decimalText(stored, column.field.params.scale ?? 0) : stored)
      this.moments.add(Number(text))
      this.values.add(text)
    }
  }
}

/** A stored date or timestamp as rows show it. */
const shownValue = (field: Field, stored: unknown): unknown =>
  fixedColumn(field, field.kind === 'date' ? Int32Array.of(stored as number) : BigInt64Array.of(stored as bigint)).get(0)
