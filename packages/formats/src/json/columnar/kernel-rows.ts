import { ConversionError, decodeText, getBit, makeBatch, makeBuilder, type Batch, type Column, type ColumnBuilder, type Json, type Schema } from '@millrace/core'
import { isVariable, RAW, textBytes, type KernelKind } from '../../columnar/kernel-columns.js'
import type { RecordFault } from '../../records/index.js'
import type { ResolvedJsonOptions } from '../json-options.js'
import type { JsonRows, RowsNeeds, TokenSink } from '../json-parser.js'
import { appendNumber, JsonRow, target } from '../json-row.js'
import type { JsonKernel } from './json-kernel.js'

/** A column of which the kernel only checks and cuts out what stands there. */
interface DeferredColumn {
  readonly i: number
  readonly builder: ColumnBuilder
  readonly append: (text: string) => void
}

const isFinite = (value: unknown): boolean => (Array.isArray(value) ? value.every(isFinite) : typeof value !== 'number' || Number.isFinite(value))

/** A list as `JSON.parse` has it. A number that is too large for a float is infinite there. */
const appendList = (builder: ColumnBuilder, text: string): void => {
  const list = JSON.parse(text) as unknown
  if (!isFinite(list)) throw new ConversionError('OUT_OF_RANGE', 'a number is out of range')
  builder.append(list)
}

const appender = (name: string, builder: ColumnBuilder, { kind }: KernelKind): ((text: string) => void) => {
  if (kind !== RAW) return (text) => builder.append(text)
  if (builder.field.kind === 'list') return (text) => appendList(builder, text)
  const column = target(name, builder)
  return (text) => appendNumber(column, text)
}

/**
 * Rows in the kernel. What it does not convert itself goes through column builders, and so do single records that come as tokens: with
 * the same code as the reference, so that values and errors are the same.
 */
export class KernelRows implements JsonRows {
  private readonly names: readonly string[]
  private readonly wanted: readonly boolean[]
  private readonly builders: readonly ColumnBuilder[]
  private readonly deferred: readonly DeferredColumn[]
  private readonly row: JsonRow
  private readonly schema: Schema

  /**
   * @param kinds - how the kernel reads the columns, which are called `names`
   */
  constructor(
    private readonly kernel: JsonKernel,
    private readonly kinds: readonly KernelKind[],
    { schema, columns }: RowsNeeds,
    names: readonly string[],
    options: ResolvedJsonOptions,
  ) {
    const isWanted = (name: string): boolean => columns === undefined || columns.includes(name)
    this.names = names
    this.wanted = names.map(isWanted)
    this.schema = Object.fromEntries(Object.entries(schema).filter(([name]) => isWanted(name)))
    this.builders = names.map((name) => makeBuilder(schema[name]!))
    this.deferred = this.builders.flatMap((builder, i) => (kinds[i]!.isDeferred ? [{ i, builder, append: appender(names[i]!, builder, kinds[i]!) }] : []))
    this.row = new JsonRow(names, this.builders, options)
  }

  get rows(): number {
    return this.kernel.rows
  }

  get capacity(): number {
    return this.kernel.capacity
  }

  begin(): TokenSink {
    this.row.begin()
    return this.row
  }

  end(): RecordFault | 'full' | undefined {
    const fault = this.row.end()
    if (fault !== undefined) {
      this.rollback()
      return fault
    }
    const columns = this.builders.map((builder, i) => (this.kinds[i]!.isDeferred ? undefined : builder.finish()))
    if (this.kernel.makeRoom((i) => (columns[i]?.isValid(0) === true && isVariable(this.kinds[i]!) ? textBytes(columns[i]).length : 0))) {
      this.kernel.put(columns)
      return undefined
    }
    this.rollback()
    return this.kernel.rows > 0 ? 'full' : { code: 'OUT_OF_RANGE', problem: 'there is no memory for the record' }
  }

  rollback(): void {
    for (const [i, builder] of this.builders.entries()) builder.truncate(this.kinds[i]!.isDeferred ? this.kernel.rows : 0)
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
      const column = this.kinds[i]!.isDeferred ? this.builders[i]!.finish() : this.wanted[i] === true ? this.kernel.column(i) : undefined
      if (this.wanted[i] === true) columns[name] = column!
    }
    const batch = makeBatch(this.schema, columns, this.kernel.rows, position)
    this.kernel.clear()
    return batch
  }
}
