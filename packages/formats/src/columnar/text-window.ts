import { isAscii, isUtf8 } from 'node:buffer'
import type { ColumnKernel, KernelExports } from './column-kernel.js'

/** Text in a kernel's memory, from a record on. */
export abstract class TextWindow<Kernel extends ColumnKernel<KernelExports>> {
  /** Offset of the first byte held. */
  protected first: number
  private countedTo: number
  private lastByte = 0

  constructor(
    protected readonly kernel: Kernel,
    start: number,
    private line: number,
  ) {
    this.first = start
    this.countedTo = start
  }

  /** Offset after the last byte held. */
  get end(): number {
    return this.first + this.kernel.size
  }

  /** Line of an offset; offsets must not go back. */
  lineAt(offset: number): number {
    if (offset > this.countedTo) {
      const to = Math.min(offset, this.end)
      this.line += this.kernel.countLines(this.countedTo - this.first, to - this.first, this.lastByte)
      if (to > this.countedTo) this.lastByte = this.view(to - 1, to)[0]!
      this.countedTo = to
    }
    return this.line
  }

  /** Bytes `start` to `end` of the text, as a view that holds until text or columns are added. */
  view(start: number, end: number): Uint8Array {
    return this.kernel.view(start - this.first, end - this.first)
  }

  /** Adds text, after what stands before `from` is forgotten. */
  protected append(chunk: Uint8Array, from: number): void {
    this.lineAt(from)
    this.kernel.append(chunk, from - this.first)
    this.first = from
  }

  /** True when the text from an offset on is UTF-8, up to a character at its end that may be cut. */
  protected isValidFrom(start: number): boolean {
    return isAscii(this.view(start, this.end)) || isUtf8(this.wholeCharacters(start))
  }

  private wholeCharacters(start: number): Uint8Array {
    const bytes = this.view(start, this.end)
    let end = bytes.length
    while (end > 0 && bytes.length - end < 3 && (bytes[end - 1]! & 0xc0) === 0x80) end--
    if (end > 0 && bytes[end - 1]! >= 0xc0) end--
    return bytes.subarray(0, end)
  }
}
