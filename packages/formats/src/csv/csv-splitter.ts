import { isAscii, isUtf8 } from 'node:buffer'
import { CsvError, Parser } from 'csv-parse'
import { failure, giveTurn, withoutStack, type ErrorPosition, type MillraceError } from '@millrace/core'
import { ByteWindow } from '../reading/byte-window.js'
import type { ResolvedCsvOptions } from './csv-options.js'
import type { CsvHandler, CsvText } from './csv-parser.js'

/**
 * Text is parsed in pieces: what was parsed after a bad record is parsed again, and a file full of them would take the square of its size. Each
 * piece is twice as long as the one before, up to what a handler without room can wait for.
 */
const PIECE_BYTES = 512
const LONGEST_PIECE = 16 * 1024

/**
 * csv-parse, with its records taken where it makes them: an override of `push`, so that nothing is queued and no row object or
 * info object is built.
 */
class RecordParser extends Parser {
  constructor(
    options: ResolvedCsvOptions,
    private readonly onFields: (fields: readonly string[], end: number) => void,
  ) {
    super({
      delimiter: options.delimiter,
      quote: options.quote,
      escape: options.escape,
      record_delimiter: [...options.recordDelimiter],
      comment: options.comment,
      comment_no_infix: true,
      trim: options.trim,
      relax_column_count: true,
      bom: false,
      columns: false,
    })
  }

  override push(record: unknown): boolean {
    if (record !== null) this.onFields(record as string[], this.info.bytes)
    return true
  }

  /** Forgets the fields of the record under way beyond so many: it is bad anyhow, and a line of delimiters has one for each of its bytes. */
  forgetFields(most: number): void {
    const { record } = (this as unknown as { readonly state: { readonly record: unknown[] } }).state
    if (record.length > most) record.length = most
  }
}

/** True when the bytes end in one of the delimiters. */
export const endsInOneOf = (delimiters: readonly Uint8Array[], bytes: Uint8Array): boolean =>
  delimiters.some((delimiter) => Buffer.compare(delimiter, bytes.subarray(Math.max(0, bytes.length - delimiter.length))) === 0)

/** The error of a record that has not ended after `bytes`. */
export const unendedRecord = (bytes: number, { maxRecordBytes }: ResolvedCsvOptions, position: ErrorPosition): MillraceError =>
  failure({
    tag: 'Limit', code: 'CSV_RECORD_TOO_LONG', problem: `a record has ${bytes} bytes or more, and at most ${maxRecordBytes} are read`, position,
    remedy: 'A quote that is never closed looks like this; if the record is meant to be so long, raise maxRecordBytes.',
  })

export const AFTER_CLOSING_QUOTE = 'a quoted field goes on after its closing quote'
export const INSIDE_FIELD = 'a quote stands inside a field that is not quoted'

/** The error of a record with a quote out of place. Without a stack, as that of `badValue`. */
export const strayQuote = (problem: string, position: ErrorPosition, cause?: unknown): MillraceError =>
  withoutStack(() =>
    failure({
      tag: 'BadRecord', code: 'CSV_STRAY_QUOTE', problem, position, cause,
      remedy: 'Quote the whole field and double the quotes in it, or pass quote: null if quotes mean nothing in this file.',
    }))

/** Cuts UTF-8 text into CSV records. After a record with a stray quote it goes on at the next line. */
export class CsvSplitter implements CsvText {
  private readonly window: ByteWindow
  private parser: RecordParser
  /** Offset at which `parser` began. */
  private base: number
  /** Offset after the last record. */
  private done: number
  private bad: { readonly error: MillraceError; readonly seekFrom: number } | undefined
  private mayBeInvalid = false
  /** Offset after what `parser` was given. */
  private fedTo: number
  private pieceBytes = LONGEST_PIECE
  private isLast = false
  private readonly delimiters: readonly Buffer[]

  /**
   * @param start - offset of the first byte that will be pushed
   * @param line - its line, from 1
   */
  constructor(
    private readonly options: ResolvedCsvOptions,
    private readonly source: string,
    start: number,
    line: number,
    private readonly handler: CsvHandler,
  ) {
    this.window = new ByteWindow(start, line)
    this.base = start
    this.done = start
    this.fedTo = start
    this.delimiters = options.recordDelimiter.map((delimiter) => Buffer.from(delimiter))
    this.parser = this.newParser()
  }

  lineAt(offset: number): number {
    return this.window.lineAt(offset)
  }

  raw(start: number, end: number): Uint8Array {
    return this.window.view(start, end).slice()
  }

  isValidText(start: number, end: number): boolean {
    return !this.mayBeInvalid || isUtf8(this.window.view(start, end))
  }

  async push(chunk: Uint8Array): Promise<void> {
    const wasAscii = !this.mayBeInvalid
    this.window.append(chunk)
    const ascii = isAscii(chunk)
    this.mayBeInvalid = !ascii || (!wasAscii && this.window.size > chunk.length)
    await this.goOn()
  }

  get isPaused(): boolean {
    return this.bad === undefined && this.fedTo < this.window.end
  }

  async goOn(): Promise<void> {
    await this.parseAll()
    this.window.discardTo(this.done)
    if (!this.isPaused && this.window.size > this.options.maxRecordBytes) throw unendedRecord(this.window.size, this.options, { source: this.source, line: this.window.lineAt(this.done), byte: this.done })
  }

  async finish(): Promise<void> {
    this.isLast = true
    for (;;) {
      await this.parseAll()
      if (this.bad === undefined) await this.endParser()
      if (this.bad === undefined) return
      // What follows the bad record is another parser's, which must be ended too.
      this.recover()
      if (this.bad === undefined) continue
      this.handler.malformed(this.bad.error, this.done, this.window.end)
      this.done = this.window.end
      this.fedTo = this.window.end
      this.bad = undefined
      return
    }
  }

  isDelimited(start: number, end: number): boolean {
    return endsInOneOf(this.delimiters, this.window.view(start, end))
  }

  destroy(): void {
    this.parser.destroy()
  }

  private newParser(): RecordParser {
    const parser = new RecordParser(this.options, (fields, end) => {
      const start = this.done
      this.done = this.base + end
      this.handler.record(fields, start, this.done)
    })
    parser.on('error', () => undefined)
    return parser
  }

  private async parseAll(): Promise<void> {
    this.recover()
    while (this.isPaused && (this.isLast || this.handler.isFull !== true)) {
      const to = Math.min(this.fedTo + this.pieceBytes, this.window.end)
      const piece = this.window.view(this.fedTo, to).slice()
      this.fedTo = to
      this.pieceBytes = Math.min(2 * this.pieceBytes, LONGEST_PIECE)
      await this.parse(piece)
      this.recover()
      // csv-parse calls back within the same turn, however much there is.
      await giveTurn()
    }
  }

  private async parse(chunk: Uint8Array): Promise<void> {
    const error = await new Promise<Error | null | undefined>((resolve) => {
      this.parser.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength), resolve)
    })
    if (error !== null && error !== undefined) this.note(error)
    this.parser.forgetFields(this.options.maxFields + 1)
  }

  private async endParser(): Promise<void> {
    const error = await new Promise<Error | null | undefined>((resolve) => {
      this.parser.once('error', resolve)
      this.parser.end(() => resolve(undefined))
    })
    if (error !== null && error !== undefined) this.note(error)
  }

  private note(error: Error): void {
    const start = this.done
    const line = this.window.lineAt(start)
    // A defect of ours is none of the record.
    if (!(error instanceof CsvError)) throw error
    const { code } = error
    if ((code as string) === 'CSV_QUOTE_NOT_CLOSED') {
      throw failure({
        tag: 'Corrupt', code: 'CSV_UNCLOSED_QUOTE', problem: `the file ends inside a quoted field: bytes ${start} to ${this.window.end} are one record`,
        remedy: 'Close the quote, or pass quote: null if quotes mean nothing in this file.', position: { source: this.source, line, byte: start }, cause: error,
      })
    }
    const stray = (code as string).endsWith('CLOSING_QUOTE')
      ? AFTER_CLOSING_QUOTE
      : (code as string).endsWith('OPENING_QUOTE') ? INSIDE_FIELD : error.message
    this.bad = {
      error: strayQuote(stray, { source: this.source, line, byte: start }, error),
      // The field at fault comes after the last whole field; line ends inside quoted fields before it are none of records.
      seekFrom: Math.max(start, this.base + this.parser.info.bytes),
    }
  }

  /** After a bad record: makes a fresh parser for what comes after its line, once it has ended. */
  private recover(): void {
    if (this.bad === undefined) return
    const next = this.window.afterLineEnd(Math.min(this.bad.seekFrom, this.window.end))
    if (next === undefined) return
    this.handler.malformed(this.bad.error, this.done, next)
    this.bad = undefined
    this.parser.destroy()
    this.base = next
    this.done = next
    this.fedTo = next
    this.pieceBytes = PIECE_BYTES
    this.parser = this.newParser()
  }
}
