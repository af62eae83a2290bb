import { ConversionError, decodeText, getBit, makeBatch, makeBuilder, type Batch, type Column, type ColumnBuilder, type Json, type Schema } from '@millrace/core'
import type { ColumnKernel, KernelExports } from './column-kernel.js'

/** Takes a text that the kernel has cut out. @throws ConversionError for one that does not fit */
export type TextAppender = (text: string) => void

/** A column of which the kernel only checks and cuts out what stands there. */
interface DeferredColumn {
  readonly i: number
  readonly builder: ColumnBuilder
  readonly append: TextAppender
}

/** Columns of rows in a kernel. */
export interface ConvertedColumns {
  readonly schema: Schema
  /** Names of the columns that the kernel has. */
  readonly names: readonly string[]
  /** Columns of the batches; `undefined` for all. */
  readonly columns: readonly string[] | undefined
  /** Whether the kernel leaves a column as text. */
  readonly isDeferred: readonly boolean[]
  readonly appender: (builder: ColumnBuilder, i: number) => TextAppender
}

/**
 * Rows in the kernel. What it does not convert itself goes through column builders, and so do single records that are appended by
 * subclasses: with the same code as the reference, so that values and errors are the same.
 */
export abstract class ConvertedRows<Kernel extends ColumnKernel<KernelExports>> {
  protected readonly builders: readonly ColumnBuilder[]
  private readonly names: readonly string[]
  private readonly wanted: readonly boolean[]
  private readonly isDeferred: readonly boolean[]
  private readonly deferred: readonly DeferredColumn[]
  private readonly schema: Schema

  constructor(
    protected readonly kernel: Kernel,
    { schema, names, columns, isDeferred, appender }: ConvertedColumns,
  ) {
    const isWanted = (name: string): boolean => columns === undefined || columns.includes(name)
    this.names = names
    this.wanted = names.map(isWanted)
    this.schema = Object.fromEntries(Object.entries(schema).filter(([name]) => isWanted(name)))
    this.builders = names.map((name) => makeBuilder(schema[name]!))
    this.isDeferred = isDeferred
    this.deferred = this.builders.flatMap((builder, i) => (isDeferred[i] === true ? [{ i, builder, append: appender(builder, i) }] : []))
  }

  get rows(): number {
    return this.kernel.rows
  }

  get capacity(): number {
    return this.kernel.capacity
  }

  /** Forgets what of a record was appended to the builders. */
  rollback(): void {
    for (const [i, builder] of this.builders.entries()) builder.truncate(this.isDeferred[i] === true ? this.kernel.rows : 0)
  }

  /** The record that was appended to the builders, as columns of one row for the kernel. */
  protected built(): (Column | undefined)[] {
    return this.builders.map((builder, i) => (this.isDeferred[i] === true ? undefined : builder.finish()))
  }

  /** Converts what the kernel left as it was in the rows from `first` on. Rows from the first on that has a fault are forgotten. */
  convert(first: number): void {
    if (this.deferred.length === 0) return
    let end = this.kernel.rows
    for (const column of this.deferred) end = this.convertColumn(column, first, end)
    for (const { builder } of this.deferred) builder.truncate(end)
    this.kernel.truncate(end)
  }

  private convertColumn({ i, builder, append }: DeferredColumn, first: number, end: number): number {
    const { offsets, bytes, validity } = this.kernel.texts(i)
    for (let row = first; row < end; row++) {
      try {
        if (getBit(validity, row)) append(decodeText(bytes, offsets[row]!, offsets[row + 1]!))
        else builder.appendNull()
      } catch (error) {
        if (error instanceof ConversionError) return row
        throw error
      }
    }
    return end
  }

  finish(position: Json): Batch {
    const columns: { [name: string]: Column } = {}
    for (const [i, name] of this.names.entries()) {
      const column = this.isDeferred[i] === true ? this.builders[i]!.finish() : this.wanted[i] === true ? this.kernel.column(i) : undefined
      if (this.wanted[i] === true) columns[name] = column!
    }
    const batch = makeBatch(this.schema, columns, this.kernel.rows, position)
    this.kernel.clear()
    return batch
  }
}
