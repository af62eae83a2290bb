import type { Batch, Json, MillraceError, Schema } from '@millrace/core'
import type { RecordFault } from '../records/index.js'
import type { CsvLayout } from './csv-columns.js'

/** What a {@link CsvText} finds. Called while `push` and `finish` run; must not throw. */
export interface CsvHandler {
  /** A record: its fields as texts, and its bytes `start` to `end` in the text, line end included. */
  record(fields: readonly string[], start: number, end: number): void
  /** Bytes `start` to `end` that are no record. */
  malformed(error: MillraceError, start: number, end: number): void
  /** True when what was found is to be handed on first. Default false. */
  readonly isFull?: boolean | undefined
}

/** Cuts the bytes of a file into records, and answers for those that were just handed over. */
export interface CsvText {
  /** Line of an offset; offsets must not go back. */
  lineAt(offset: number): number
  /** A copy of the bytes of a record. */
  raw(start: number, end: number): Uint8Array
  /** True when the bytes of a record are UTF-8. */
  isValidText(start: number, end: number): boolean
  /** True when a record ends in a line end, as all but the last of a file must. */
  isDelimited(start: number, end: number): boolean
  /** Takes the next bytes, as far as the handler has room. @throws `Limit` for a record that is too long */
  push(chunk: Uint8Array): Promise<void>
  /** True when `push` has left some for `goOn`. */
  readonly isPaused: boolean
  /** Goes on where the handler had no room. @throws as `push` */
  goOn(): Promise<void>
  /** Ends the text. @throws `Corrupt` for a quote that was never closed */
  finish(): Promise<void>
  /** Releases what it holds. */
  destroy(): void
}

/** Rows that become a batch. */
export interface CsvRows {
  /** Complete rows so far. */
  readonly rows: number
  /** Most rows that it holds. */
  readonly capacity: number
  /** Appends one record, which leaves no trace when it has a fault. */
  append(fields: readonly string[]): RecordFault | undefined
  /** The rows so far as a batch; it starts again, empty. */
  finish(position: Json): Batch
}

/** What a {@link CsvText} that makes rows by itself tells of them. */
export interface CsvRowsHandler extends CsvHandler {
  /** True when nothing more is wanted. */
  readonly isOver: boolean
  /** Rows were appended, the last of them ending at byte `end`. */
  rowsRead(count: number, end: number): void
  /** Makes a batch of the rows so far. */
  flush(): void
}

/** One way to read a file: what cuts its text and what keeps its rows. */
export interface CsvParser {
  /** Whether it copies what is pushed, so that the memory may be used again. */
  readonly copies: boolean
  /** @param start - offset of the first byte that will be pushed @param line - its line, from 1 */
  readonly text: (start: number, line: number, handler: CsvRowsHandler) => CsvText
  readonly rows: (schema: Schema, layout: CsvLayout, columns: readonly string[] | undefined, validateAll: boolean) => CsvRows
}
