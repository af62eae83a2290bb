import { isAscii } from 'node:buffer'
import { failure, fromUnknown, withoutStack, type MillraceError, type Schema } from '@millrace/core'
import { jsonParser } from 'stream-json/core/parser.js'
import { badValue } from '../records/index.js'
import { mustValidateAll } from '../reading/batch-assembler.js'
import type { FileTask } from '../reading/read-files.js'
import { TextOutcomes, type TextFile, type TextOutcome } from '../reading/text-outcomes.js'
import { unread } from '../reading/unread.js'
import { isFramed } from './framed-element.js'
import type { JsonFormat, ResolvedJsonOptions } from './json-options.js'
import type { JsonHandler, JsonParser, JsonRows, JsonText, TokenSink } from './json-parser.js'
import type { JsonToken } from './json-row.js'
import { guessFormat } from './json-splitter.js'

/** Place in one file: everything before byte `byte` is done with. */
export interface JsonPlace {
  readonly format: JsonFormat
  readonly byte: number
  readonly record: number
  /** Line of the byte, from 1. */
  readonly line: number
}

/** Text goes to the parser in pieces of this many characters, so that one long record does not become as many tokens at once. */
const PIECE = 64 * 1024

/** Turns the text of one file into batches and bad records. */
export class JsonFile<S extends Schema> implements JsonHandler, TextFile {
  private readonly source: string
  /** Bytes of the text, where it is known before its end. */
  size: number | undefined
  private readonly text: JsonText
  private readonly rows: JsonRows
  private format: JsonFormat | undefined
  private parse = newParser()
  private readonly outcomes = new TextOutcomes()
  private fatal: MillraceError | undefined
  private records: number
  /** Offset after the last record, and its line once it is known. */
  private end: number
  private endLine: number | undefined
  private readonly decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

  constructor(
    task: FileTask,
    schema: S,
    private readonly options: ResolvedJsonOptions,
    start: number,
    private readonly resume: JsonPlace | undefined,
    parser: JsonParser,
  ) {
    this.source = task.file.url
    this.records = resume?.record ?? 0
    this.end = start
    const needs = { schema, columns: task.context.columns, validateAll: mustValidateAll(options.onBadRecord) }
    const { text, rows } = parser.open(start, resume?.line ?? 1, this, needs)
    this.text = text
    this.rows = rows
    const format = resume?.format ?? options.format
    if (format !== undefined) this.begin(format, resume !== undefined)
  }

  /** Takes the next bytes. */
  push(chunk: Uint8Array): void {
    this.guard(() => {
      const { text } = this
      if (this.format === undefined) {
        const format = guessFormat(chunk, text.end, this.source)
        if (format !== undefined) this.begin(format, false)
      }
      this.lineOfEnd()
      text.push(chunk)
      this.requireEnd()
    })
  }

  goOn(): boolean {
    if (this.fatal !== undefined || !this.text.isPaused) return false
    this.guard(() => {
      this.text.goOn()
      this.requireEnd()
    })
    return true
  }

  get isFull(): boolean {
    return this.outcomes.isFull
  }

  /** @throws `Limit` where the record under way is too long */
  private requireEnd(): void {
    const { end, held, isPaused } = this.text
    if (!isPaused && end - held > this.options.maxRecordBytes) throw this.tooLong(held, end - held)
  }

  /** Offset after the last record, or of the beginning. */
  get recordEnd(): number {
    return this.end
  }

  /** Ends the array where the text has come to: the rest is for others to read. Gives that offset. */
  closeArray(): number {
    const { end } = this.text
    this.push(Buffer.from(`]${'}'.repeat(this.options.records?.length ?? 0)}`))
    return end
  }

  /** Ends the text. */
  finish(): void {
    // Nothing but white space is an empty file of JSON Lines, unless an array was asked for.
    this.guard(() => this.text.finish())
    if (this.fatal === undefined) this.flush()
  }

  /** What became of the text since the last call, in order. @throws what ends the file, after what came before it */
  *take(): Generator<TextOutcome, void, undefined> {
    yield* this.outcomes.take()
    if (this.fatal !== undefined) throw this.fatal
  }

  /** Ends the text within a record that nobody will complete: the rows before it are handed over. */
  abandon(): void {
    if (this.fatal !== undefined) return
    this.rows.rollback()
    this.flush()
  }

  private guard(work: () => void): void {
    if (this.fatal !== undefined) return
    try {
      work()
    } catch (error) {
      // The rows before the fault are sound: they are handed over before it is told.
      this.rows.rollback()
      this.flush()
      this.fatal = fromUnknown(error)
    }
  }

  /** The place at an offset that no record reaches over, after all before it were taken. */
  placeAt(byte: number): JsonPlace {
    return { format: this.format!, byte, record: this.records, line: this.lineAt(byte) }
  }

  /** Releases what it holds. */
  destroy(): void {
    this.text.destroy()
  }

  private begin(format: JsonFormat, within: boolean): void {
    this.format = format
    this.text.begin(format, within)
  }

  record(start: number, end: number, lineEnd: number): void {
    if (lineEnd - start > this.options.maxRecordBytes) throw this.tooLong(start, lineEnd - start)
    const bytes = this.text.view(start, end)
    const sink = this.rows.begin()
    let text: string
    try {
      text = isAscii(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1') : this.decoder.decode(bytes)
    } catch {
      return this.badEncoding(start, end)
    }
    const problem = this.tokenize(text, sink)
    if (problem !== undefined) return this.malformed(problem, text, start, end)
    const fault = this.rows.end()
    if (fault === undefined) return this.rowsRead(1, end)
    if (fault !== 'full') return this.reject(fault.code, () => this.hinted(badValue(fault), text), start, end)
    this.flush()
    this.record(start, end, lineEnd)
  }

  /** A first record that lacks a column may be an object around the records. */
  private hinted(error: MillraceError, text: string): MillraceError {
    if (error.code !== 'NULL' || this.records > 0 || this.format !== 'lines') return error
    const key = keyOfRecords(text)
    if (key === undefined) return error
    return failure({
      tag: 'BadRecord', code: error.code, problem: `${error.problem}; the record holds an array of objects at ${JSON.stringify(key)}`, position: error.position,
      remedy: `If these are the records, pass records: ${JSON.stringify(key)}.`,
    })
  }

  rowsRead(count: number, end: number): void {
    this.records += count
    this.passed(end)
    if (this.rows.rows === this.rows.capacity) this.flush()
  }

  private passed(end: number): void {
    this.end = end
    this.endLine = undefined
  }

  /** Line of the offset after the last record; to be asked for before those of what comes after it. */
  private lineOfEnd(): number {
    return (this.endLine ??= this.text.lineAt(this.end))
  }

  private lineAt(offset: number): number {
    this.lineOfEnd()
    return this.text.lineAt(offset)
  }

  /** Feeds a record to its row. Gives what is wrong with its syntax. */
  private tokenize(text: string, sink: TokenSink): string | undefined {
    try {
      for (let at = 0; at < text.length; at += PIECE) {
        sink.feed(this.parse(text.length <= PIECE ? text : text.slice(at, at + PIECE)))
        if (!sink.tooDeep) continue
        // The parser keeps each level; where the record ends is known without it.
        this.parse = newParser()
        return undefined
      }
      // A number or a literal ends only where something else begins, and the next record is not to begin with one.
      sink.feed(this.parse('\n'))
    } catch (error) {
      return (error as Error).message
    }
    if (endsWithinText(text)) return 'there is a text after the record that does not end'
    return sink.values === 1 ? undefined : sink.values === 0 ? 'the record is cut short' : 'there is more after the record'
  }

  private malformed(reason: string, text: string, start: number, end: number): void {
    this.rows.rollback()
    this.parse = newParser()
    const found = (): { readonly problem: string; readonly byte: number } => {
      const { problem, at } = explain(reason, text)
      return { problem, byte: start + Buffer.byteLength(text.slice(0, at)) }
    }
    if (this.format === 'array' && !isFramed(text)) {
      const { problem, byte } = found()
      throw this.corrupt(problem, byte, start)
    }
    this.reject('JSON_MALFORMED', () => this.malformedError(found()), start, end)
  }

  private malformedError({ problem, byte }: { readonly problem: string; readonly byte: number }): MillraceError {
    if (this.format === 'array') return badValue({ code: 'JSON_MALFORMED', problem }, { byte })
    return failure({
      tag: 'BadRecord', code: 'JSON_MALFORMED', problem, position: { byte },
      remedy: "In JSON Lines each line is one record; a record over several lines belongs in an array. Where the file is one object that holds an array, records: 'key' leads to it.",
    })
  }

  /** Brackets and quotes are ASCII, so where the record ends is known all the same, within an array too. */
  private badEncoding(start: number, end: number): void {
    this.rows.rollback()
    this.reject('JSON_BAD_ENCODING', () => badValue({ code: 'JSON_BAD_ENCODING', problem: 'the record is not UTF-8' }), start, end)
  }

  private reject(code: string, errorOf: () => MillraceError, start: number, end: number): void {
    const { onBadRecord } = this.options
    if (onBadRecord === 'fail') this.flush()
    const fault = (): MillraceError => errorOf().at({ source: this.source, line: this.lineAt(start), record: this.records, byte: start })
    if (onBadRecord === 'fail') throw fault()
    if (onBadRecord === 'skip') this.outcomes.skipped(code)
    else this.outcomes.bad(withoutStack(fault), this.text.view(start, end).slice())
    this.records++
    this.passed(end)
  }

  flush(): void {
    if (this.rows.rows === 0) return
    const place: JsonPlace = { format: this.format!, byte: this.end, record: this.records, line: this.lineOfEnd() }
    this.outcomes.rows(this.rows.finish({ ...place }))
  }

  /** @param from - where what is not read any more begins */
  corrupt(problem: string, byte: number, from = byte): MillraceError {
    // Where nothing was read yet, all of it is meant.
    const isMidway = (this.records > 0 || this.resume !== undefined) && (this.size === undefined || from < this.size)
    const lost = isMidway ? `; ${unread(from, this.size)}` : ''
    return failure({
      tag: 'Corrupt', code: 'JSON_MALFORMED', problem: `${problem}${lost}`, remedy: 'Check how the file was written, and whether all of it was.',
      position: { source: this.source, line: this.lineAt(from), record: this.records, byte },
    })
  }

  private tooLong(start: number, bytes: number): MillraceError {
    return failure({
      tag: 'Limit', code: 'JSON_RECORD_TOO_LONG', problem: `a record has ${bytes} bytes or more, and at most ${this.options.maxRecordBytes} are read`,
      remedy: 'A bracket or quote that is never closed looks like this; if the record is meant to be so long, raise maxRecordBytes.',
      position: { source: this.source, line: this.lineAt(start), record: this.records, byte: start },
    })
  }
}

/** stream-json's tokenizer as a plain function: text in, tokens out. Numbers stay texts. */
export const newParser = (): ((text: string) => readonly JsonToken[]) => {
  const tokenize = jsonParser({ packValues: true, streamValues: false, jsonStreaming: true }) as (text: string) => unknown
  return (text) => (tokenize(text) as { readonly values?: readonly JsonToken[] }).values ?? []
}

/** Whether a text begins and does not end: after a record, the tokenizer would go on with it in the next one. @param text - in which it found nothing wrong */
export const endsWithinText = (text: string): boolean => {
  let isOpen = false
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) if (!isOpen || !isEscaped(text, at)) isOpen = !isOpen
  return isOpen
}

/** Whether an odd number of backslashes stands before it. */
const isEscaped = (text: string, at: number): boolean => {
  let before = at
  while (text[before - 1] === '\\') before--
  return (at - before) % 2 === 1
}

/** The key of an object that holds an array of objects. */
const keyOfRecords = (text: string): string | undefined => {
  try {
    const record = JSON.parse(text) as { readonly [key: string]: unknown }
    return Object.keys(record).find((key) => Array.isArray(record[key]) && record[key].length > 0 && record[key].every((item) => typeof item === 'object' && item !== null))
  } catch {
    return undefined
  }
}

/** JSON.parse says where it is wrong, and stream-json does not. */
export const explain = (reason: string, text: string): { problem: string; at: number } => {
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
