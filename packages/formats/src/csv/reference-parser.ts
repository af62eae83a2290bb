import type { Batch, Json, Schema } from '@millrace/core'
import { BatchAssembler } from '../reading/batch-assembler.js'
import type { RecordFault } from '../records/index.js'
import { CsvRow, type CsvLayout } from './csv-columns.js'
import type { ResolvedCsvOptions } from './csv-options.js'
import type { CsvParser, CsvRows } from './csv-parser.js'
import { CsvSplitter } from './csv-splitter.js'

/** Rows in column builders, appended text by text. */
export class AssembledRows implements CsvRows {
  readonly capacity: number
  private readonly assembler: BatchAssembler<Schema>
  private readonly row: CsvRow

  constructor(schema: Schema, layout: CsvLayout, columns: readonly string[] | undefined, validateAll: boolean, options: ResolvedCsvOptions) {
    this.capacity = options.batchRows
    this.assembler = new BatchAssembler(schema, columns, validateAll)
    this.row = new CsvRow(layout, this.assembler.names, this.assembler.builders, options)
  }

  get rows(): number {
    return this.assembler.rows
  }

  append(fields: readonly string[]): RecordFault | undefined {
    const fault = this.row.append(fields)
    if (fault === undefined) this.assembler.rows++
    else this.assembler.rollback()
    return fault
  }

  finish(position: Json): Batch {
    return this.assembler.finish(position)
  }
}

/** csv-parse, which knows every dialect, and column builders. What the columnar parser does must equal it. */
export const referenceParser = (options: ResolvedCsvOptions, source: string): CsvParser => ({
  copies: false,
  text: (start, line, handler) => new CsvSplitter(options, source, start, line, handler),
  rows: (schema, layout, columns, validateAll) => new AssembledRows(schema, layout, columns, validateAll, options),
})
