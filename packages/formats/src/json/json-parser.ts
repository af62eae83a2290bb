import type { Batch, Json, Schema } from '@millrace/core'
import type { RecordFault } from '../records/index.js'
import type { JsonFormat } from './json-options.js'
import type { JsonToken } from './json-row.js'
import type { SplitterHandler } from './json-splitter.js'

/** What a {@link JsonText} tells of what it finds; what it throws ends the file. */
export interface JsonHandler extends SplitterHandler {
  /** Rows were appended, the last of them ending at byte `end`. */
  rowsRead(count: number, end: number): void
  /** Makes a batch of the rows so far. */
  flush(): void
  /** True when what was found is to be handed on first. Default false. */
  readonly isFull?: boolean | undefined
}

/** Cuts the bytes of a file into records, and answers for those that were just handed over. */
export interface JsonText {
  /** Offset after what was pushed. */
  readonly end: number
  /** Offset of the first byte that is still needed: the record under way, or the end. */
  readonly held: number
  /** Line of an offset; offsets must not go back. */
  lineAt(offset: number): number
  /** The bytes of a record, as a view that holds until more are pushed. */
  view(start: number, end: number): Uint8Array
  /** Says how records stand, before any are taken. @param within - whether an element of the array stands before what comes */
  begin(format: JsonFormat, within: boolean): void
  /** Takes the next bytes, as far as the handler has room; before it began they are white space. */
  push(chunk: Uint8Array): void
  /** True when `push` has left some for `goOn`. */
  readonly isPaused: boolean
  /** Goes on where the handler had no room. */
  goOn(): void
  /** Ends the text. @throws `Corrupt` where it is cut short */
  finish(): void
  /** Releases what it holds. */
  destroy(): void
}

/** Where the tokens of one record go. */
export interface TokenSink {
  feed(tokens: readonly JsonToken[]): void
  /** Whole values at the top. */
  readonly values: number
  /** True when the record is nested too deep; the rest of it is not worth a parser's stack. */
  readonly tooDeep: boolean
}

/** Rows that become a batch. */
export interface JsonRows {
  /** Complete rows so far. */
  readonly rows: number
  /** Most rows that it holds. */
  readonly capacity: number
  /** Begins a record. */
  begin(): TokenSink
  /** Ends it; one with a fault leaves no trace, nor does one for which there is no room beside the rows before it (`full`). */
  end(): RecordFault | 'full' | undefined
  /** Forgets a record that was begun. */
  rollback(): void
  /** The rows so far as a batch; it starts again, empty. */
  finish(position: Json): Batch
}

/** One way to read a file: what cuts its text and what keeps its rows. Both copy what they are given. */
export interface JsonParser {
  /** @param start - offset of the first byte that will be pushed @param line - its line, from 1 */
  readonly open: (start: number, line: number, handler: JsonHandler, rows: RowsNeeds) => { readonly text: JsonText; readonly rows: JsonRows }
}

/** What rows are made from. */
export interface RowsNeeds {
  readonly schema: Schema
  /** Columns that are looked at. */
  readonly columns: readonly string[] | undefined
  /** Whether the others are checked too. */
  readonly validateAll: boolean
}
