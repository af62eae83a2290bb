import { ConversionError, failure, type Batch, type Column, type Json, type MillraceError, type OpenContext, type Schema } from '@millrace/core'
import { BatchAssembler, mustValidateAll } from '../reading/batch-assembler.js'
import { badValue, type OnBadRecord, type RecordFault } from '../records/index.js'
import type { SqlColumns, SqlDatabase, SqlRows } from './sql-session.js'
import type { SqlColumn } from './sql-type.js'
import { sqlAppender, sqlValueBytes, type SqlAppender, type SqlValue } from './sql-values.js'

/** Place in an ordered result: the key of the last row, and how many rows there were. */
export interface SqlPlace {
  readonly after: readonly string[]
  readonly rows: number
}

/** A batch, or a row that is bad. */
export type SqlOutcome = { readonly batch: Batch; readonly error?: undefined } | { readonly error: MillraceError; readonly raw: Uint8Array }

/** A batch of wide rows is handed on before it has all its rows. */
const MAX_BATCH_BYTES = 32 * 1024 * 1024

const encoder = new TextEncoder()

const keyText = (value: SqlValue): string => String(value)

/** Puts rows into batches. */
export class SqlBatches {
  /** Rows read, bad ones and those before the position that was resumed from too. */
  read: number
  private readonly assembler: BatchAssembler<Schema>
  private readonly sources: readonly number[]
  private readonly appenders: readonly SqlAppender[]
  private readonly keys: readonly number[]
  private lastKey: readonly string[] | undefined
  private bytes = 0

  constructor(
    private readonly schema: Schema,
    private readonly columns: readonly SqlColumn[],
    private readonly reading: {
      readonly database: Pick<SqlDatabase, 'name'>
      readonly context: OpenContext
      readonly policy: OnBadRecord | undefined
      readonly options: { readonly orderBy: readonly string[]; readonly batchRows: number }
    },
    place: SqlPlace | undefined,
  ) {
    const { context, policy, options } = reading
    this.assembler = new BatchAssembler(schema, context.columns, mustValidateAll(policy))
    const indexOf = (name: string): number => columns.findIndex((column) => column.name === name)
    this.sources = this.assembler.names.map(indexOf)
    this.appenders = this.assembler.names.map((name, i) => sqlAppender(schema[name]!, columns[this.sources[i]!]!.type))
    this.keys = options.orderBy.map(indexOf)
    this.lastKey = place?.after
    this.read = place?.rows ?? 0
  }

  /** Takes rows; gives the batches that they fill, and what is bad among them, in order. */
  *take(piece: SqlRows | SqlColumns): Generator<SqlOutcome, void, undefined> {
    if (!('column' in piece)) return yield* this.takeRows(piece)
    const columns = this.wholeColumns(piece)
    // Row by row it shows which of them are bad.
    if (columns === undefined) return yield* this.takeRows(piece.rows())
    if (this.assembler.rows > 0) yield { batch: this.batch() }
    this.advanceAll(piece)
    yield { batch: this.assembler.assemble(columns, piece.length, this.position()) }
  }

  private *takeRows(rows: SqlRows): Generator<SqlOutcome, void, undefined> {
    const { assembler } = this
    for (const row of rows) {
      const fault = this.append(row)
      if (fault !== undefined) {
        assembler.rollback()
        // With `fail` the rows before the fault are sound: they are handed over before it is told.
        if (!mustValidateAll(this.reading.policy) && assembler.rows > 0) yield { batch: this.batch() }
        yield { error: badValue(fault, { source: this.reading.database.name, record: this.read }), raw: this.raw(row) }
      } else assembler.rows++
      this.advance((column) => row[column] ?? null)
      if (assembler.rows === this.reading.options.batchRows || (this.bytes > MAX_BATCH_BYTES && assembler.rows > 0)) yield { batch: this.batch() }
    }
  }

  /** The rows that are left over. */
  finish(): Batch | undefined {
    return this.assembler.rows > 0 ? this.batch() : undefined
  }

  private append(row: readonly SqlValue[]): RecordFault | undefined {
    const { names, builders } = this.assembler
    for (let i = 0; i < names.length; i++) {
      const value = row[this.sources[i]!]!
      try {
        if (value === null) builders[i]!.appendNull()
        else {
          this.appenders[i]!(builders[i]!, value)
          this.bytes += sqlValueBytes(value)
        }
      } catch (error) {
        if (error instanceof ConversionError) return { code: error.code, problem: error.message, column: names[i] }
        throw error
      }
    }
    return undefined
  }

  /** Notes the row's key, by which a reading goes on after it: a key that comes twice, or null, would lose rows. */
  private advance(valueOf: (column: number) => SqlValue): void {
    this.read++
    if (this.keys.length === 0) return
    const key = this.keys.map(valueOf)
    const column = this.reading.options.orderBy[key.indexOf(null)]
    const place = { source: this.reading.database.name, record: this.read - 1 }
    if (column !== undefined) throw badKey('NULL', 'a column of orderBy is null', { ...place, column })
    const texts = key.map(keyText)
    if (this.lastKey?.every((text, i) => text === texts[i]) === true) throw badKey('NOT_UNIQUE', 'two rows have the same values in the columns of orderBy', place)
    this.lastKey = texts
  }

  /** Of rows within a piece whose keys are sound no texts are made. */
  private advanceAll(piece: SqlColumns): void {
    const { keys } = this
    const { length } = piece
    if (keys.length === 0) {
      this.read += length
      return
    }
    for (let row = 0; row < length; row++) {
      if (row > 0 && row + 1 < length && piece.differs?.(keys, row) === true) {
        this.read++
        continue
      }
      if (row > 0) this.lastKey = keys.map((column) => keyText(piece.value(column, row - 1)))
      this.advance((column) => piece.value(column, row))
    }
  }

  private batch(): Batch {
    this.bytes = 0
    return this.assembler.finish(this.position())
  }

  private position(): Json {
    return { after: this.lastKey ?? [], rows: this.read }
  }

  /** The columns of a piece, where each of them is sound and they are no more rows than a batch has. */
  private wholeColumns(piece: SqlColumns): readonly Column[] | undefined {
    if (piece.length > this.reading.options.batchRows) return undefined
    const columns: Column[] = []
    for (const [i, name] of this.assembler.names.entries()) {
      const source = this.sources[i]!
      const column = piece.column(source, this.schema[name]!, this.columns[source]!.type)
      if (column === undefined) return undefined
      columns.push(column)
    }
    return columns
  }

  private raw(row: readonly SqlValue[]): Uint8Array {
    const values = row.map((value, i) => [this.columns[i]!.name, value instanceof Uint8Array ? `\\x${Buffer.from(value).toString('hex')}` : typeof value === 'bigint' ? String(value) : value])
    return encoder.encode(JSON.stringify(Object.fromEntries(values)))
  }
}

const badKey = (code: string, problem: string, position: { readonly source: string; readonly record: number; readonly column?: string }): MillraceError =>
  failure({ tag: 'Schema', code: `ORDER_KEY_${code}`, problem, remedy: 'Name columns that together are different in every row and never null.', position })
