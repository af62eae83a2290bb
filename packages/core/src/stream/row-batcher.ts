import { makeBuilder, type Column, type ColumnBuilder } from '../columns/index.js'
import { describeValue, failure, hasTag, withoutStack, type MillraceError } from '../errors/index.js'
import { rejectRecord, type OnBadRecord } from '../records/bad-records.js'
import type { Schema } from '../schema/index.js'
import { makeBatch, type Batch } from './batch.js'
import { callbackError } from './callback.js'
import { ownValue } from './own-value.js'
import type { Tally } from './tally.js'

/** What becomes of keys of a row that are no column and have a value: they are left alone, or the row is bad. */
export type FurtherKeys = 'ignore' | 'reject'

/** What {@link RowBatcher} needs to know. */
export interface RowBatcherOptions {
  /** Name of the source's function, for errors. */
  readonly operator: string
  /** What rejected records name as their source. */
  readonly name: string
  readonly tally: Tally
  readonly onBadRecord: OnBadRecord | undefined
  /** What becomes of keys that are no column. */
  readonly furtherKeys?: FurtherKeys | undefined
  /** Of the reading. */
  readonly signal?: AbortSignal | undefined
}

/** Gathers rows that code makes into batches, and deals with those that do not fit as the caller asked. */
export class RowBatcher<S extends Schema> {
  /** Rows gathered so far. */
  held = 0
  /** Ordinal of the next row. */
  record = 0
  private readonly names: readonly string[]
  private readonly builders: readonly ColumnBuilder[]

  constructor(
    private readonly schema: S,
    private readonly options: RowBatcherOptions,
  ) {
    this.names = Object.keys(schema)
    this.builders = this.names.map((name) => makeBuilder(schema[name]!))
  }

  /**
   * Appends a row. Gives a promise where the row does not fit and a quarantine takes it: rows that fit cost no await.
   *
   * @throws `BadRecord` with the row's ordinal and the column where the policy is `fail`; `Usage` for what a getter of the row threw
   */
  append(row: unknown): Promise<void> | undefined {
    let column: string | undefined
    try {
      if (!isRow(row)) throw notARow(row)
      for (let i = 0; i < this.names.length; i++) {
        column = this.names[i]!
        this.builders[i]!.append(ownValue(row, column))
      }
      if (this.options.furtherKeys === 'reject') this.requireColumns(row)
      this.held++
      this.record++
      return undefined
    } catch (thrown) {
      for (const builder of this.builders) builder.truncate(Math.min(this.held, builder.length))
      const { onBadRecord, name } = this.options
      const record = this.record++
      const faultOf = (): MillraceError => callbackError(this.options.operator, record, thrown, column)
      if (onBadRecord === undefined || onBadRecord === 'fail') throw faultOf()
      const error = withoutStack(() => faultOf().at({ source: name }))
      if (!hasTag(error, 'BadRecord')) throw faultOf()
      return rejectRecord(onBadRecord, this.options, error, onBadRecord === 'skip' ? undefined : rawOf(row))
    }
  }

  private requireColumns(row: object): void {
    const further = Object.keys(row).find((key) => !Object.hasOwn(this.schema, key) && ((row as { readonly [key: string]: unknown })[key] ?? null) !== null)
    if (further === undefined) return
    throw failure({ tag: 'BadRecord', code: 'NOT_A_COLUMN', problem: 'the row has a value of a name that is no column', remedy: 'Give the schema, or look at more rows first (sampleRows).', position: { column: further } })
  }

  /** The rows so far as a batch, counted as delivered; the next rows begin a new one. */
  finish(): Batch<S> {
    const columns: { [name: string]: Column } = {}
    this.names.forEach((name, i) => (columns[name] = this.builders[i]!.finish()))
    const batch = makeBatch(this.schema, columns, this.held)
    this.options.tally.deliver(this.held)
    this.held = 0
    return batch
  }
}

const isRow = (row: unknown): row is object => typeof row === 'object' && row !== null && !Array.isArray(row) && !ArrayBuffer.isView(row)

const notARow = (row: unknown): Error =>
  failure({
    tag: 'BadRecord',
    code: 'NOT_A_ROW',
    problem: `a row is an object with a value for each column, and this is ${describeValue(row)}`,
    remedy: 'Give plain objects; a Node stream has to be in object mode.',
  })

/** A row as JSON, for the quarantine: 64-bit integers as texts; `undefined` for what JSON cannot say (cycles). */
const rawOf = (row: unknown): Uint8Array | undefined => {
  try {
    const text = JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)) as string | undefined
    return text === undefined ? undefined : new TextEncoder().encode(text)
  } catch {
    return undefined
  }
}
