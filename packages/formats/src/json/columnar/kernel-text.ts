import { FULL, MORE, ODD } from '../../columnar/column-kernel.js'
import { TextWindow } from '../../columnar/text-window.js'
import type { JsonFormat, ResolvedJsonOptions } from '../json-options.js'
import type { JsonHandler, JsonText } from '../json-parser.js'
import { splitterOf, type JsonSplitter, type SplitterHandler } from '../json-splitter.js'
import type { JsonKernel } from './json-kernel.js'
import type { KernelRows } from './kernel-rows.js'

/** A record of which so much is there is looked at again only once twice as much is. */
const LONG_RECORD = 64 * 1024

/**
 * Text in the kernel's memory. The kernel makes rows of plain records; each that it stops at is cut by the reference's splitter and
 * goes through its tokens. So do the first element of an array and what comes after the last record.
 */
export class KernelText extends TextWindow<JsonKernel> implements JsonText {
  /** Rows that the kernel makes. */
  rows: KernelRows | undefined
  /** Offset after the last record, or of the one that the splitter is at. */
  private done: number
  private strict = false
  private lookAgainAt = 0
  /** Rows that the kernel is asked for at once: few after a row that had to be taken back. */
  private stride = Infinity
  /** Takes the next record, after the bytes that it was fed. */
  private detour: { readonly splitter: JsonSplitter; fedTo: number; isOver: boolean } | undefined
  private format: JsonFormat | undefined
  private isLast = false
  isPaused = false
  private readonly splitterHandler: SplitterHandler

  constructor(
    kernel: JsonKernel,
    private readonly options: ResolvedJsonOptions,
    start: number,
    line: number,
    private readonly handler: JsonHandler,
  ) {
    super(kernel, start, line)
    this.done = start
    this.splitterHandler = {
      record: (from, to, lineEnd) => {
        this.done = to
        this.detour!.isOver = true
        this.detour!.splitter.stop()
        handler.record(from, to, lineEnd)
      },
      corrupt: (problem, byte) => handler.corrupt(problem, byte),
    }
  }

  get held(): number {
    return this.detour?.splitter.held ?? this.done
  }

  begin(format: JsonFormat, within: boolean): void {
    this.format = format
    this.kernel.setFormat(format)
    this.done = this.end
    if (format === 'array' && !within) this.beginDetour(false)
  }

  push(chunk: Uint8Array): void {
    const { held } = this
    this.append(chunk, held)
    this.done = Math.max(this.done, held)
    this.strict = !this.isValidFrom(held)
    if (this.format === undefined) this.done = this.end
    else if (this.detour !== undefined || this.kernel.size >= this.lookAgainAt) this.parse()
    this.settle()
  }

  goOn(): void {
    this.parse()
    this.settle()
  }

  /** After all was parsed for which there is room. */
  private settle(): void {
    // Whether a record is too long is the splitter's to say: it knows what stands between records.
    while (!this.isPaused && this.format !== undefined && this.detour === undefined && this.end - this.done > this.options.maxRecordBytes) if (this.takeRecord()) this.parse()
    if (this.isPaused) return
    const left = this.end - this.done
    this.lookAgainAt = left > LONG_RECORD ? Math.min(2 * left, this.options.maxRecordBytes + 1) : 0
  }

  finish(): void {
    if (this.format === undefined) return
    this.isLast = true
    this.parse()
    while (this.detour !== undefined || this.done < this.end || this.format === 'array') {
      const { splitter } = this.detour ?? this.beginDetour(true)
      if (this.feed()) continue
      splitter.finish()
      return
    }
  }

  destroy(): void {
    this.kernel.release()
  }

  private parse(): void {
    this.isPaused = false
    if (this.detour !== undefined && !this.feed()) return
    for (;;) {
      this.isPaused = !this.isLast && this.handler.isFull === true
      if (this.isPaused) return
      if (this.runKernel()) {
        if (!this.takeRecord()) return
      } else if (this.kernel.reason === MORE) return
    }
  }

  /** Lets the kernel go on. True when the next record is not for it. */
  private runKernel(): boolean {
    const { kernel } = this
    const rows = this.rows!
    const before = kernel.rows
    const stop = this.first + kernel.run(this.done - this.first, before + this.stride, this.strict)
    const read = kernel.rows
    rows.convert(before)
    const isCut = kernel.rows < read
    this.done = isCut ? this.first + kernel.startOf(kernel.rows) : stop
    this.stride = isCut ? 1 : this.stride * 2
    if (kernel.rows > before) this.handler.rowsRead(kernel.rows - before, this.done)
    if (isCut || kernel.reason === ODD) return true
    if (kernel.reason !== FULL || kernel.grow()) return false
    if (kernel.rows === 0) return true
    this.handler.flush()
    return false
  }

  /** Takes one record here. False when it has not ended yet. */
  private takeRecord(): boolean {
    this.beginDetour(true)
    return this.feed()
  }

  private beginDetour(within: boolean): NonNullable<typeof this.detour> {
    const splitter = splitterOf(this.format!, this.done, within, this.splitterHandler)
    return (this.detour = { splitter, fedTo: this.done, isOver: false })
  }

  /** Feeds the splitter. False when it needs more text. */
  private feed(): boolean {
    const detour = this.detour!
    const from = detour.fedTo
    detour.fedTo = this.end
    detour.splitter.push(this.view(from, this.end), from)
    if (detour.isOver) this.detour = undefined
    return detour.isOver
  }
}
