import type { Batch, Json, Schema } from '@millrace/core'
import { BatchAssembler } from '../reading/batch-assembler.js'
import { ByteWindow } from '../reading/byte-window.js'
import type { RecordFault } from '../records/index.js'
import type { JsonFormat, ResolvedJsonOptions } from './json-options.js'
import type { JsonHandler, JsonParser, JsonRows, JsonText, RowsNeeds, TokenSink } from './json-parser.js'
import { JsonRow } from './json-row.js'
import { splitterOf, type JsonSplitter } from './json-splitter.js'

/** Bytes that are cut at a time: when they are, it is looked whether the handler has room for more. */
const PIECE_BYTES = 16 * 1024

/** Text in a buffer, cut byte by byte. */
export class WindowText implements JsonText {
  private readonly window: ByteWindow
  private splitter: JsonSplitter | undefined
  /** Offset after what the splitter was given. */
  private fedTo = 0
  private isLast = false

  constructor(
    start: number,
    line: number,
    private readonly handler: JsonHandler,
    private readonly path?: readonly string[],
  ) {
    this.window = new ByteWindow(start, line)
  }

  get end(): number {
    return this.window.end
  }

  get held(): number {
    return this.splitter?.held ?? this.end
  }

  lineAt(offset: number): number {
    return this.window.lineAt(offset)
  }

  view(start: number, end: number): Uint8Array {
    return this.window.view(start, end)
  }

  begin(format: JsonFormat, within: boolean): void {
    this.splitter = splitterOf(format, this.end, within, this.handler, this.path)
    this.fedTo = this.end
  }

  push(chunk: Uint8Array): void {
    this.window.discardTo(this.held)
    this.window.append(chunk)
    this.goOn()
  }

  get isPaused(): boolean {
    return this.splitter !== undefined && this.fedTo < this.end
  }

  goOn(): void {
    while (this.isPaused && (this.isLast || this.handler.isFull !== true)) {
      const from = this.fedTo
      this.fedTo = Math.min(from + PIECE_BYTES, this.end)
      this.splitter!.push(this.window.view(from, this.fedTo), from)
    }
  }

  finish(): void {
    this.isLast = true
    this.goOn()
    this.splitter?.finish()
  }

  destroy(): void {
    // Nothing but memory.
  }
}

/** Rows in column builders, appended token by token. */
export class AssembledRows implements JsonRows {
  readonly capacity: number
  private readonly assembler: BatchAssembler<Schema>
  private readonly row: JsonRow

  constructor({ schema, columns, validateAll }: RowsNeeds, options: ResolvedJsonOptions) {
    this.capacity = options.batchRows
    this.assembler = new BatchAssembler(schema, columns, validateAll)
    this.row = new JsonRow(this.assembler.names, this.assembler.builders, options)
  }

  get rows(): number {
    return this.assembler.rows
  }

  begin(): TokenSink {
    this.row.begin()
    return this.row
  }

  end(): RecordFault | undefined {
    const fault = this.row.end()
    if (fault === undefined) this.assembler.rows++
    else this.rollback()
    return fault
  }

  rollback(): void {
    this.assembler.rollback()
  }

  finish(position: Json): Batch {
    return this.assembler.finish(position)
  }
}

/** stream-json and column builders. What the columnar parser does must equal it. */
export const referenceParser = (options: ResolvedJsonOptions): JsonParser => ({
  open: (start, line, handler, needs) => ({ text: new WindowText(start, line, handler, options.records), rows: new AssembledRows(needs, options) }),
})
