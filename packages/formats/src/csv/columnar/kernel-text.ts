import { isUtf8 } from 'node:buffer'
import type { ResolvedCsvOptions } from '../csv-options.js'
import type { CsvRowsHandler, CsvText } from '../csv-parser.js'
import { CsvSplitter, endsInOneOf, strayQuote, unendedRecord } from '../csv-splitter.js'
import { FULL, MORE, ODD } from '../../columnar/column-kernel.js'
import { TextWindow } from '../../columnar/text-window.js'
import type { CsvKernel } from './csv-kernel.js'
import type { KernelRows } from './kernel-rows.js'
import { byteDialect, splitRecord, type ByteDialect } from './split-record.js'

/** Bytes that csv-parse is given at a time: it is left as soon as it has judged what it was called for. */
const PIECE_BYTES = 2048
/** Most records that csv-parse takes before the kernel is tried again. */
const LONGEST_DETOUR = 4096
/** A record of which so much is there is looked at again only once twice as much is. */
const LONG_RECORD = 64 * 1024

/**
 * Text in the kernel's memory. The kernel makes rows of plain records; one that it stops at is cut here and goes through the
 * column builders; what only csv-parse can judge (stray quotes, comments, the text's last record) goes through the reference's
 * splitter, more records at a time where it is needed often.
 */
export class KernelText extends TextWindow<CsvKernel> implements CsvText {
  private readonly dialect: ByteDialect
  private readonly delimiters: readonly Buffer[]
  /** Offset after the last record. */
  private done: number
  private strict = false
  private lookAgainAt = 0
  /** Rows that the kernel is asked for at once: few after a row that had to be taken back. */
  private stride = Infinity
  private detour: { readonly splitter: CsvSplitter; left: number; fedTo: number } | undefined
  private nextDetour = 1
  private rowsSinceDetour = 0
  private rows: KernelRows | undefined
  private withoutKernel = false
  private isLast = false
  isPaused = false

  constructor(
    kernel: CsvKernel,
    private readonly options: ResolvedCsvOptions,
    private readonly source: string,
    start: number,
    line: number,
    private readonly handler: CsvRowsHandler,
  ) {
    super(kernel, start, line)
    this.dialect = byteDialect(options)
    this.delimiters = options.recordDelimiter.map((delimiter) => Buffer.from(delimiter))
    this.done = start
  }

  /** Takes the rows that the kernel makes; `undefined` when it makes none and all is csv-parse's. */
  begin(rows: KernelRows | undefined): void {
    this.rows = rows
    this.withoutKernel = rows === undefined
  }

  raw(start: number, end: number): Uint8Array {
    return this.view(start, end).slice()
  }

  isValidText(start: number, end: number): boolean {
    return isUtf8(this.view(start, end))
  }

  isDelimited(start: number, end: number): boolean {
    return endsInOneOf(this.delimiters, this.view(start, end))
  }

  async push(chunk: Uint8Array): Promise<void> {
    this.append(chunk, this.done)
    this.strict = !this.isValidFrom(this.done)
    if (this.kernel.size >= this.lookAgainAt) await this.goOn()
    else this.requireEnd()
  }

  async goOn(): Promise<void> {
    await this.parse()
    if (!this.isPaused) this.requireEnd()
  }

  /** @throws `Limit` where the record under way is too long */
  private requireEnd(): void {
    const left = this.end - this.done
    if (left > this.options.maxRecordBytes && !this.handler.isOver) {
      throw unendedRecord(left, this.options, { source: this.source, line: this.lineAt(this.done), byte: this.done })
    }
    this.lookAgainAt = left > LONG_RECORD ? Math.min(2 * left, this.options.maxRecordBytes + 1) : 0
  }

  async finish(): Promise<void> {
    this.isLast = true
    await this.parse()
    if (this.handler.isOver) return
    if (this.detour === undefined && this.done === this.end) return
    const detour = this.detour ?? this.beginDetour()
    detour.left = Infinity
    await this.feed()
    await detour.splitter.finish()
  }

  destroy(): void {
    this.detour?.splitter.destroy()
    this.kernel.release()
  }

  /** True when what was found is to be handed on before more is looked for. */
  private get isFull(): boolean {
    return !this.isLast && this.handler.isFull === true
  }

  private async parse(): Promise<void> {
    while (!this.handler.isOver && !(this.isPaused = this.isFull)) {
      if (this.detour !== undefined || this.withoutKernel) {
        if (this.detour === undefined) this.beginDetour().left = Infinity
        if (!(await this.feed()) && !this.isFull) return
      } else if (this.rows === undefined || this.runKernel(this.rows)) {
        if (!this.takeRecord()) return
      } else if (this.kernel.reason === MORE) return
    }
  }

  /** Lets the kernel go on. True when the next record is not for it. */
  private runKernel(rows: KernelRows): boolean {
    const { kernel } = this
    const before = kernel.rows
    const start = this.done
    const stop = this.first + kernel.run(start - this.first, before + this.stride, this.strict)
    const read = kernel.rows
    rows.convert(before)
    const count = kernel.rows - before
    const isCut = kernel.rows < read
    this.done = isCut ? this.first + kernel.startOf(kernel.rows) : stop
    this.stride = isCut ? 1 : this.stride * 2
    this.rowsSinceDetour += count
    // Empty lines may have been passed over without a row.
    if (this.done > start) this.handler.rowsRead(count, this.done)
    if (isCut || kernel.reason === ODD) return true
    if (kernel.reason !== FULL || kernel.grow()) return false
    if (kernel.rows === 0) return true
    this.handler.flush()
    return false
  }

  /** Cuts one record here. False when it has not ended yet. */
  private takeRecord(): boolean {
    const record = splitRecord(this.view(this.done, this.end), this.dialect)
    if (record === 'more') return false
    if (record === 'odd') this.beginDetour()
    else if ('problem' in record) {
      const start = this.done
      this.done += record.end
      this.handler.malformed(strayQuote(record.problem, { source: this.source, line: this.lineAt(start), byte: start }), start, this.done)
    } else this.take(record.fields, this.done, this.done + record.end)
    return true
  }

  private take(fields: readonly string[], start: number, end: number): void {
    this.done = end
    if (this.rows?.makeRoom(fields) === false) this.handler.flush()
    this.handler.record(fields, start, end)
  }

  private beginDetour(): NonNullable<typeof this.detour> {
    this.nextDetour = this.rowsSinceDetour < this.nextDetour ? Math.min(2 * this.nextDetour, LONGEST_DETOUR) : 1
    this.rowsSinceDetour = 0
    const splitter = new CsvSplitter(this.options, this.source, this.done, this.lineAt(this.done), {
      record: (fields, start, end) => {
        if (detour.left-- > 0) this.take(fields, start, end)
      },
      malformed: (error, start, end) => {
        if (detour.left-- <= 0) return
        this.done = end
        this.handler.malformed(error, start, end)
      },
    })
    const detour = { splitter, left: this.nextDetour, fedTo: this.done }
    this.detour = detour
    return detour
  }

  /** Feeds csv-parse until it has taken its records. False when it needs more text. */
  private async feed(): Promise<boolean> {
    const detour = this.detour!
    while (detour.left > 0 && detour.fedTo < this.end && !this.handler.isOver && !this.isFull) {
      const to = Math.min(detour.fedTo + PIECE_BYTES, this.end)
      const piece = this.view(detour.fedTo, to).slice()
      detour.fedTo = to
      await detour.splitter.push(piece)
    }
    if (detour.left > 0) return false
    detour.splitter.destroy()
    this.detour = undefined
    return true
  }
}
