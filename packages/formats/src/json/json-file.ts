import { isAscii } from 'node:buffer'
import { failure, fromUnknown, type Batch, type MillraceError, type Schema } from '@millrace/core'
import { jsonParser } from 'stream-json/core/parser.js'
import { badValue } from '../records/index.js'
import { BatchAssembler, mustValidateAll } from '../reading/batch-assembler.js'
import { ByteWindow } from '../reading/byte-window.js'
import type { FileTask } from '../reading/read-files.js'
import type { JsonFormat, ResolvedJsonOptions } from './json-options.js'
import { JsonRow, type JsonToken } from './json-row.js'
import { ArraySplitter, guessFormat, LineSplitter, type JsonSplitter } from './json-splitter.js'

/** Place in one file: everything before byte `byte` is done with. */
export interface JsonPlace {
  readonly format: JsonFormat
  readonly byte: number
  readonly record: number
  /** Line of the byte, from 1. */
  readonly line: number
}

/** What some text came to, in order: rows, or a bad record. */
export type JsonOutcome =
  | { readonly batch: Batch; readonly error?: undefined }
  | { readonly error: MillraceError; readonly raw: Uint8Array | undefined; readonly batch?: undefined }

/** Text goes to the parser in pieces of this many characters, so that one long record does not become as many tokens at once. */
const PIECE = 64 * 1024

/** Turns the text of one file into batches and bad records. */
export class JsonFile<S extends Schema> {
  private readonly source: string
  private readonly keepRaw: boolean
  private readonly window: ByteWindow
  private readonly assembler: BatchAssembler<S>
  private readonly row: JsonRow
  private splitter: JsonSplitter | undefined
  private parse = newParser()
  private outcomes: JsonOutcome[] = []
  private fatal: MillraceError | undefined
  private records: number
  /** Offset after the last record. */
  private end: number
  private allAscii = true
  private readonly decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

  constructor(
    task: FileTask,
    schema: S,
    private readonly options: ResolvedJsonOptions,
    start: number,
    resume: JsonPlace | undefined,
  ) {
    this.source = task.file.url
    this.keepRaw = typeof options.onBadRecord === 'object'
    this.window = new ByteWindow(start, resume?.line ?? 1)
    this.records = resume?.record ?? 0
    this.end = start
    this.assembler = new BatchAssembler(schema, task.context.columns, mustValidateAll(options.onBadRecord))
    this.row = new JsonRow(this.assembler.names, this.assembler.builders, options)
    const format = resume?.format ?? options.format
    if (format !== undefined) this.begin(format, resume !== undefined)
  }

  /** Takes the next bytes. */
  push(chunk: Uint8Array): void {
    const offset = this.window.end
    this.window.append(chunk)
    this.allAscii = isAscii(chunk) && (this.allAscii || this.window.size === chunk.length)
    this.guard(() => {
      if (this.splitter === undefined) {
        const format = guessFormat(chunk, offset, this.source)
        if (format === undefined) return this.window.discardTo(this.window.end)
        this.begin(format, false)
      }
      this.splitter!.push(chunk, offset)
      this.window.discardTo(this.splitter!.held)
      if (this.window.size > this.options.maxRecordBytes) throw this.tooLong(this.splitter!.held, this.window.size)
    })
  }

  /** Ends the text. */
  finish(): void {
    this.guard(() => {
      // Nothing but white space is an empty file of JSON Lines, unless an array was asked for.
      this.splitter?.finish()
    })
    if (this.fatal === undefined) this.flush()
  }

  /** What became of the text since the last call, in order. @throws what ends the file, after what came before it */
  *take(): Generator<JsonOutcome, void, undefined> {
    const { outcomes } = this
    this.outcomes = []
    yield* outcomes
    if (this.fatal !== undefined) throw this.fatal
  }

  private guard(work: () => void): void {
    if (this.fatal !== undefined) return
    try {
      work()
    } catch (error) {
      // The rows before the fault are sound: they are handed over before it is told.
      this.assembler.rollback()
      this.flush()
      this.fatal = fromUnknown(error)
    }
  }

  private begin(format: JsonFormat, within: boolean): void {
    const onRecord = (start: number, end: number): void => this.record(start, end)
    const { end, size } = this.window
    this.splitter = format === 'lines' ? new LineSplitter(end - size, onRecord) : new ArraySplitter(end - size, within, onRecord, (problem, byte) => this.corrupt(problem, byte))
  }

  private record(start: number, end: number): void {
    if (end - start > this.options.maxRecordBytes) throw this.tooLong(start, end - start)
    const bytes = this.window.view(start, end)
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const { row, assembler } = this
    row.begin(assembler.rows)
    let problem: string | undefined
    let text = ''
    try {
      text = this.allAscii ? buffer.toString('latin1') : this.decoder.decode(buffer)
    } catch {
      problem = 'the record is not UTF-8'
    }
    problem ??= this.tokenize(text)
    if (problem !== undefined) return this.malformed(problem, text, start, end)
    const fault = row.end()
    if (fault === undefined) {
      this.records++
      this.end = end
      if (++assembler.rows === this.options.batchRows) this.flush()
      return
    }
    assembler.rollback()
    this.reject(badValue(fault), start, end)
  }

  /** Feeds a record to its row. Gives what is wrong with its syntax. */
  private tokenize(text: string): string | undefined {
    try {
      for (let at = 0; at < text.length; at += PIECE) {
        this.row.feed(this.parse(text.length <= PIECE ? text : text.slice(at, at + PIECE)))
        if (!this.row.tooDeep) continue
        // The parser keeps each level; where the record ends is known without it.
        this.parse = newParser()
        return undefined
      }
      // A number or a literal ends only where something else begins.
      if (this.row.values === 0) this.row.feed(this.parse('\n'))
    } catch (error) {
      return (error as Error).message
    }
    return this.row.values === 1 ? undefined : this.row.values === 0 ? 'the record is cut short' : 'there is more after the record'
  }

  private malformed(reason: string, text: string, start: number, end: number): void {
    this.assembler.rollback()
    this.parse = newParser()
    const { problem, at } = explain(reason, text)
    const byte = start + Buffer.byteLength(text.slice(0, at))
    if (this.splitter!.format === 'array') throw this.corrupt(problem, byte, start)
    this.reject(
      failure({
        tag: 'BadRecord', code: 'JSON_MALFORMED', problem, position: { byte },
        remedy: 'In JSON Lines each line is one record; a record over several lines belongs in an array.',
      }),
      start,
      end,
    )
  }

  private reject(error: MillraceError, start: number, end: number): void {
    const fail = this.options.onBadRecord === 'fail'
    if (fail) this.flush()
    const fault = error.at({ source: this.source, line: this.window.lineAt(start), record: this.records, byte: start })
    if (fail) throw fault
    this.records++
    this.end = end
    this.outcomes.push({ error: fault, raw: this.keepRaw ? this.window.view(start, end).slice() : undefined })
  }

  private flush(): void {
    if (this.assembler.rows === 0) return
    const place: JsonPlace = { format: this.splitter!.format, byte: this.end, record: this.records, line: this.window.lineAt(this.end) }
    this.outcomes.push({ batch: this.assembler.finish({ ...place }) as unknown as Batch })
  }

  private corrupt(problem: string, byte: number, lineOf = byte): MillraceError {
    return failure({
      tag: 'Corrupt', code: 'JSON_MALFORMED', problem, remedy: 'Check how the file was written, and whether all of it was.',
      position: { source: this.source, line: this.window.lineAt(lineOf), record: this.records, byte },
    })
  }

  private tooLong(start: number, bytes: number): MillraceError {
    return failure({
      tag: 'Limit', code: 'JSON_RECORD_TOO_LONG', problem: `a record has ${bytes} bytes or more, and at most ${this.options.maxRecordBytes} are read`,
      remedy: 'A bracket or quote that is never closed looks like this; if the record is meant to be so long, raise maxRecordBytes.',
      position: { source: this.source, line: this.window.lineAt(start), record: this.records, byte: start },
    })
  }
}

/** stream-json's tokenizer as a plain function: text in, tokens out. Numbers stay texts. */
const newParser = (): ((text: string) => readonly JsonToken[]) => {
  const tokenize = jsonParser({ packValues: true, streamValues: false, jsonStreaming: true }) as (text: string) => unknown
  return (text) => (tokenize(text) as { readonly values?: readonly JsonToken[] }).values ?? []
}

/** JSON.parse says where it is wrong, and stream-json does not. */
const explain = (reason: string, text: string): { problem: string; at: number } => {
  try {
    JSON.parse(text)
    return { problem: reason, at: 0 }
  } catch (error) {
    const { message } = error as Error
    const position = /at position (\d+)/.exec(message)
    if (position !== null) return { problem: message.replace(/\s*at position .*$/, ''), at: Number(position[1]) }
    return { problem: /^Unexpected end/.test(message) ? 'the record is cut short' : message, at: /^Unexpected end/.test(message) ? text.length : 0 }
  }
}
