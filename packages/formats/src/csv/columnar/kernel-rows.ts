import { ConversionError, decodeText, getBit, makeBatch, makeBuilder, type Batch, type Column, type ColumnBuilder, type Json, type Schema } from '@millrace/core'
import type { RecordFault } from '../../records/index.js'
import { CsvRow, type CsvLayout } from '../csv-columns.js'
import type { ResolvedCsvOptions } from '../csv-options.js'
import type { CsvRows } from '../csv-parser.js'
import type { CsvKernel } from './csv-kernel.js'
import { csvKind } from './csv-kinds.js'

/** A column whose texts the kernel only cuts out. */
interface DeferredColumn {
  readonly i: number
  readonly builder: ColumnBuilder
  readonly comma: boolean
}

/**
 * Rows in the kernel. What it does not convert itself (dictionaries, lists, times of a zone) goes through column builders, and so do
 * single records that are appended as texts: with the same code as the reference, so that values and errors are the same.
 */
export class KernelRows implements CsvRows {
  private readonly names: readonly string[]
  private readonly wanted: readonly boolean[]
  private readonly builders: readonly ColumnBuilder[]
  private readonly deferred: readonly DeferredColumn[]
  private readonly isDeferred: readonly boolean[]
  private readonly row: CsvRow
  private readonly schema: Schema

  private constructor(
    private readonly kernel: CsvKernel,
    schema: Schema,
    names: readonly string[],
    layout: CsvLayout,
    columns: readonly string[] | undefined,
    options: ResolvedCsvOptions,
  ) {
    const isWanted = (name: string): boolean => columns === undefined || columns.includes(name)
    this.names = names
    this.wanted = names.map(isWanted)
    this.schema = Object.fromEntries(Object.entries(schema).filter(([name]) => isWanted(name)))
    this.builders = names.map((name) => makeBuilder(schema[name]!))
    this.isDeferred = names.map((name) => csvKind(schema[name]!, options).isDeferred)
    this.deferred = this.builders.flatMap((builder, i) =>
      this.isDeferred[i] === true ? [{ i, builder, comma: options.decimalComma && builder.field.kind === 'decimal' }] : [],
    )
    this.row = new CsvRow(layout, names, this.builders, options)
  }

  /** The rows of a kernel, or `undefined` when there are more columns than it has memory for. */
  static of(
    kernel: CsvKernel, schema: Schema, layout: CsvLayout, columns: readonly string[] | undefined, validateAll: boolean, options: ResolvedCsvOptions,
  ): KernelRows | undefined {
    const names = Object.keys(schema).filter((name) => validateAll || columns === undefined || columns.includes(name))
    const plans = names.map((name) => ({ field: schema[name]!, kind: csvKind(schema[name]!, options), at: layout.index[name]! }))
    return kernel.begin(plans, layout.width) ? new KernelRows(kernel, schema, names, layout, columns, options) : undefined
  }

  get rows(): number {
    return this.kernel.rows
  }

  get capacity(): number {
    return this.kernel.capacity
  }

  append(fields: readonly string[]): RecordFault | undefined {
    const { rows } = this.kernel
    const room = 3 * fields.reduce((sum, field) => sum + field.length, 0)
    if (!this.kernel.makeRoom(() => room)) return { code: 'OUT_OF_RANGE', problem: 'there is no memory for the record' }
    const fault = this.row.append(fields)
    if (fault !== undefined) {
      for (const [i, builder] of this.builders.entries()) builder.truncate(this.isDeferred[i] === true ? rows : 0)
      return fault
    }
    this.kernel.put(this.builders.map((builder, i) => (this.isDeferred[i] === true ? undefined : builder.finish())))
    return undefined
  }

  /**
   * Converts what the kernel left as texts in the rows from `first` on. Rows from the first on that has a fault are forgotten.
   */
  convert(first: number): void {
    if (this.deferred.length === 0) return
    let end = this.kernel.rows
    for (const column of this.deferred) end = this.convertColumn(column, first, end)
    for (const { builder } of this.deferred) builder.truncate(end)
    this.kernel.truncate(end)
  }

  private convertColumn({ i, builder, comma }: DeferredColumn, first: number, end: number): number {
    const { offsets, bytes, validity } = this.kernel.texts(i)
    for (let row = first; row < end; row++) {
      try {
        if (!getBit(validity, row)) builder.appendNull()
        else {
          const text = decodeText(bytes, offsets[row]!, offsets[row + 1]!)
          builder.appendText(comma ? text.replace(',', '.') : text)
        }
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
