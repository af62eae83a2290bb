import { failure, field, fromUnknown, requireNames, withoutStack, type MillraceError, type Schema } from '@millrace/core'
import { badValue } from '../records/index.js'
import { mustValidateAll } from '../reading/batch-assembler.js'
import type { FileTask } from '../reading/read-files.js'
import { TextOutcomes, type TextFile, type TextOutcome } from '../reading/text-outcomes.js'
import { columnName, fieldsFault, matchHeader, namedColumns, noHeader, requireWidth } from './csv-columns.js'
import type { ResolvedCsvOptions } from './csv-options.js'
import type { CsvParser, CsvRows, CsvRowsHandler, CsvText } from './csv-parser.js'

/** Place in one file: everything before byte `byte` is done with. */
export interface CsvPlace {
  readonly byte: number
  /** Records before it, the header not counted. */
  readonly record: number
  /** Line of the byte, from 1. */
  readonly line: number
}

/** A line with nothing on it; `""` is longer than its line end. */
export const isBlankLine = (fields: readonly string[], start: number, end: number): boolean => fields.length === 1 && fields[0] === '' && end - start <= 2

/** Turns the text of one file into batches and bad records. */
export class CsvFile implements CsvRowsHandler, TextFile {
  private readonly text: CsvText
  private readonly source: string
  private readonly outcomes = new TextOutcomes()
  /** Thrown once the outcomes before it are taken: an exception inside csv-parse would be lost. */
  private fatal: MillraceError | undefined
  private rows: CsvRows | undefined
  private width: number | undefined
  private records: number
  private end: number
  /** Offset after what was pushed. */
  private pushedTo: number

  constructor(
    private readonly task: FileTask,
    private readonly schema: Schema | undefined,
    private readonly options: ResolvedCsvOptions,
    place: CsvPlace,
    private readonly parser: CsvParser,
  ) {
    this.source = task.file.url
    this.records = place.record
    this.end = place.byte
    this.pushedTo = place.byte
    this.text = parser.text(place.byte, place.line, this)
  }

  /** True once the columns are known. */
  get begun(): boolean {
    return this.rows !== undefined
  }

  get isFull(): boolean {
    return this.outcomes.isFull
  }

  get isOver(): boolean {
    return this.fatal !== undefined
  }

  /** The place after the last record. */
  get place(): CsvPlace {
    return { byte: this.end, record: this.records, line: this.text.lineAt(this.end) }
  }

  /** Takes the names of the columns, or their number when they have none. */
  begin(header: readonly string[] | undefined, fields: number): void {
    requireWidth(header?.length ?? (this.schema === undefined ? fields : Object.keys(this.schema).length), this.options, this.source)
    const names = header ?? (this.schema === undefined ? Array.from({ length: fields }, (_, i) => columnName(i)) : undefined)
    const schema = this.schema ?? Object.fromEntries(namedColumns(names!).map((name) => [name, field.utf8()]))
    requireNames(schema)
    const layout = matchHeader(schema, names, this.options, this.source)
    this.width = layout.width
    this.rows = this.parser.rows(schema, layout, this.task.context.columns, mustValidateAll(this.options.onBadRecord))
  }

  /** Takes the next bytes. */
  async push(chunk: Uint8Array): Promise<void> {
    this.pushedTo += chunk.length
    await this.guard(() => this.text.push(chunk))
  }

  async goOn(): Promise<boolean> {
    if (this.fatal !== undefined || !this.text.isPaused) return false
    await this.guard(() => this.text.goOn())
    return true
  }

  /**
   * Ends the text.
   *
   * @param isAll - whether it was all of the file, which is not so by default. One with nothing but line ends in it has no rows, where its columns are known without it.
   */
  async finish(isAll = false): Promise<void> {
    await this.guard(() => this.text.finish())
    if (this.fatal === undefined) this.flush()
    if (this.fatal !== undefined || this.rows !== undefined || this.options.header !== true) return
    if (!isAll || this.schema === undefined || this.end < this.pushedTo) this.fail(noHeader(this.source))
  }

  /** What became of the text since the last call, in order. @throws what ends the file, after what came before it */
  *take(): Generator<TextOutcome, void, undefined> {
    yield* this.outcomes.take()
    if (this.fatal !== undefined) throw this.fatal
  }

  /** Ends the text within a record that nobody will complete: the rows before it are handed over. */
  abandon(): void {
    if (this.fatal === undefined) this.flush()
  }

  destroy(): void {
    this.text.destroy()
  }

  private async guard(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (this.fatal === undefined) this.fail(fromUnknown(error, { source: this.source, record: this.records }))
    }
  }

  record(fields: readonly string[], start: number, end: number): void {
    if (this.fatal !== undefined) return
    if (end - start > this.options.maxRecordBytes) return this.stop(start, end)
    if (isBlankLine(fields, start, end) && this.width !== 1) {
      this.end = end
      return
    }
    if (this.rows === undefined) {
      const isHeader = this.options.header === true
      try {
        this.begin(isHeader ? fields : undefined, fields.length)
      } catch (error) {
        return this.fail(fromUnknown(error))
      }
      if (isHeader) {
        this.end = end
        return
      }
    }
    this.append(fields, start, end)
  }

  rowsRead(count: number, end: number): void {
    this.records += count
    this.end = end
    const { rows, capacity } = this.rows!
    if (rows === capacity) this.flush()
  }

  malformed(error: MillraceError, start: number, end: number): void {
    if (this.fatal !== undefined) return
    if (end - start > this.options.maxRecordBytes) return this.stop(start, end)
    if (this.rows === undefined) this.fail(error.at({}))
    else this.reject(error.code, () => error, start, end)
  }

  private append(fields: readonly string[], start: number, end: number): void {
    if (this.options.finalNewline === 'required' && !this.text.isDelimited(start, end)) return this.cutShort(start)
    const fault = this.text.isValidText(start, end) ? (fieldsFault(fields, this.options) ?? this.rows!.append(fields)) : { code: 'CSV_BAD_ENCODING', problem: 'the record is not UTF-8' }
    if (fault === undefined) {
      this.rowsRead(1, end)
      return
    }
    this.reject(fault.code, () => badValue(fault), start, end)
  }

  private reject(code: string, errorOf: () => MillraceError, start: number, end: number): void {
    const { onBadRecord } = this.options
    if (onBadRecord === 'fail') this.flush()
    const fault = (): MillraceError => errorOf().at({ source: this.source, byte: start, line: this.text.lineAt(start), record: this.records })
    if (onBadRecord === 'fail') return this.fail(fault())
    if (onBadRecord === 'skip') this.outcomes.skipped(code)
    else this.outcomes.bad(withoutStack(fault), this.text.raw(start, end))
    this.records++
    this.end = end
  }

  flush(): void {
    if (this.rows === undefined || this.rows.rows === 0) return
    this.outcomes.rows(this.rows.finish({ ...this.place }))
  }

  /** Ends the file; the rows before the fault are sound, and are handed over before it is told. */
  private fail(error: MillraceError): void {
    this.flush()
    this.fatal = error
  }

  private stop(start: number, end: number): void {
    this.flush()
    const problem = `a record has ${end - start} bytes, and at most ${this.options.maxRecordBytes} are read`
    this.fail(
      failure({
        tag: 'Limit', code: 'CSV_RECORD_TOO_LONG', problem, remedy: 'If the record is meant to be so long, raise maxRecordBytes.',
        position: { source: this.source, byte: start, line: this.text.lineAt(start), record: this.records },
      }),
    )
  }

  private cutShort(start: number): void {
    this.fail(
      failure({
        tag: 'Corrupt', code: 'CSV_NO_FINAL_NEWLINE', problem: 'the last record has no line end, so the file may be cut short',
        remedy: "Fetch or write it again, or pass finalNewline: 'optional' if the file is whole.",
        position: { source: this.source, byte: start, record: this.records },
      }),
    )
  }
}
