import type { Schema } from '@millrace/core'
import { ConvertedRows, type ConvertedColumns } from '../../columnar/converted-rows.js'
import type { RecordFault } from '../../records/index.js'
import { CsvRow, type CsvLayout } from '../csv-columns.js'
import type { ResolvedCsvOptions } from '../csv-options.js'
import type { CsvRows } from '../csv-parser.js'
import { textAppender } from '../number-text.js'
import type { CsvKernel } from './csv-kernel.js'
import { csvKind } from './csv-kinds.js'

/** Bytes of a UTF-16 unit in UTF-8. */
const MOST_BYTES = 3

/** Rows in the kernel. Single records are appended as texts. */
export class KernelRows extends ConvertedRows<CsvKernel> implements CsvRows {
  private readonly row: CsvRow

  private constructor(
    kernel: CsvKernel,
    columns: ConvertedColumns,
    layout: CsvLayout,
    /** Which field each column takes. */
    private readonly places: readonly number[],
    options: ResolvedCsvOptions,
  ) {
    super(kernel, columns)
    this.row = new CsvRow(layout, columns.names, this.builders, options)
  }

  /** The rows of a kernel, or `undefined` when there are more columns than it has memory for. */
  static of(
    kernel: CsvKernel, schema: Schema, layout: CsvLayout, columns: readonly string[] | undefined, validateAll: boolean, options: ResolvedCsvOptions,
  ): KernelRows | undefined {
    const names = Object.keys(schema).filter((name) => validateAll || columns === undefined || columns.includes(name))
    const plans = names.map((name) => ({ field: schema[name]!, kind: csvKind(schema[name]!, options), at: layout.index[name]! }))
    if (!kernel.begin(plans, layout.width)) return undefined
    const converted: ConvertedColumns = {
      schema, names, columns, isDeferred: plans.map(({ kind }) => kind.isDeferred),
      appender: (builder) => textAppender(builder, options),
    }
    return new KernelRows(kernel, converted, layout, plans.map(({ at }) => at), options)
  }

  /** Makes room for a record. False where there is none beside the rows that are there. */
  makeRoom(fields: readonly string[]): boolean {
    return this.kernel.makeRoom((i) => MOST_BYTES * (fields[this.places[i]!]?.length ?? 0))
  }

  append(fields: readonly string[]): RecordFault | undefined {
    if (!this.makeRoom(fields)) return { code: 'OUT_OF_RANGE', problem: 'there is no memory for the record' }
    const fault = this.row.append(fields)
    if (fault === undefined) this.kernel.put(this.built())
    else this.rollback()
    return fault
  }
}
