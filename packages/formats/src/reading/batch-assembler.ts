import { makeBatch, makeBuilder, requireCount, type Batch, type Column, type ColumnBuilder, type Json, type Schema } from '@millrace/core'
import type { OnBadRecord } from '../records/index.js'

/** Rows of a batch unless told otherwise: some columns of it fit a processor's cache, and its cost per batch is small. */
export const DEFAULT_BATCH_ROWS = 4096

/** More rows than any batch has memory for, by whose number offsets and shifts of 32 bits can count. */
const MOST_BATCH_ROWS = 2 ** 30

/**
 * Checks the option `batchRows` of a reader. It is the most that a batch has: numbers beyond all memory mean the same as 2³⁰.
 *
 * @throws `Usage` BAD_COUNT
 */
export const requireBatchRows = (batchRows: number | undefined, use: string): number => Math.min(requireCount(batchRows ?? DEFAULT_BATCH_ROWS, 1, `batchRows of ${use}`), MOST_BATCH_ROWS)

/** One builder per column, filled record by record. */
export class BatchAssembler<S extends Schema> {
  readonly names: readonly string[]
  readonly builders: readonly ColumnBuilder[]
  /** Complete rows so far. */
  rows = 0
  private readonly schema: Schema
  private readonly wanted: readonly boolean[]

  /**
   * @param columns - columns that are looked at (`OpenOptions.columns`)
   * @param validateAll - build the others too, so that the same records are bad whoever reads, and drop them
   */
  constructor(schema: S, columns: readonly string[] | undefined, validateAll: boolean) {
    const isWanted = (name: string): boolean => columns === undefined || columns.includes(name)
    this.names = Object.keys(schema).filter((name) => validateAll || isWanted(name))
    this.wanted = this.names.map(isWanted)
    this.builders = this.names.map((name) => makeBuilder(schema[name]!))
    this.schema = Object.fromEntries(Object.entries(schema).filter(([name]) => isWanted(name)))
  }

  /** Takes back what an incomplete row has appended. */
  rollback(): void {
    for (const builder of this.builders) builder.truncate(this.rows)
  }

  /** The rows so far as a batch; the assembler starts again, empty. */
  finish(position: Json): Batch<S> {
    const batch = this.assemble(this.builders.map((builder) => builder.finish()), this.rows, position)
    this.rows = 0
    return batch
  }

  /** A batch of columns that came whole, one for each of `names`. */
  assemble(built: readonly Column[], rows: number, position: Json): Batch<S> {
    const columns: { [name: string]: Column } = {}
    for (let i = 0; i < this.names.length; i++) if (this.wanted[i] === true) columns[this.names[i]!] = built[i]!
    return makeBatch(this.schema, columns, rows, position) as unknown as Batch<S>
  }
}

/**
 * Whether columns that nobody looks at are checked all the same. They must be when bad records are left out: the rows of a
 * stream may not depend on which columns are read.
 */
export const mustValidateAll = (policy: OnBadRecord | undefined): boolean => policy !== undefined && policy !== 'fail'
