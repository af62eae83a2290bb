const FIRST_BYTES = 64 * 1024
const NEWLINE = 10
const RETURN = 13

/**
 * The bytes of a text that are not done with: those of the record under way, and what follows. Knows their offsets in the
 * text, and the line that an offset stands in.
 */
export class ByteWindow {
  private buffer: Uint8Array = new Uint8Array(FIRST_BYTES)
  private length = 0
  private countedTo: number
  private lastByte = 0

  constructor(
    /** Offset of the first byte held. */
    private first: number,
    private line: number,
  ) {
    this.countedTo = first
  }

  /** Offset after the last byte held. */
  get end(): number {
    return this.first + this.length
  }

  /** Bytes held. */
  get size(): number {
    return this.length
  }

  append(chunk: Uint8Array): void {
    const need = this.length + chunk.length
    if (need > this.buffer.length) {
      const grown = new Uint8Array(Math.max(need, this.buffer.length * 2))
      grown.set(this.buffer.subarray(0, this.length))
      this.buffer = grown
    }
    this.buffer.set(chunk, this.length)
    this.length = need
  }

  /** Forgets what stands before `offset`. */
  discardTo(offset: number): void {
    this.lineAt(offset)
    const gone = offset - this.first
    if (gone <= 0) return
    this.buffer.copyWithin(0, gone, this.length)
    this.length -= gone
    this.first = offset
  }

  /** The bytes from `start` to `end`, as a view that holds until the next `append` or `discardTo`. */
  view(start: number, end: number): Uint8Array {
    return this.buffer.subarray(start - this.first, end - this.first)
  }

  /** Offset after the first line end at or after `offset`, or `undefined` when none is held yet. */
  afterLineEnd(offset: number): number | undefined {
    for (let i = offset - this.first; i < this.length; i++) {
      if (this.buffer[i] === NEWLINE) return this.first + i + 1
      if (this.buffer[i] === RETURN && i + 1 < this.length) return this.first + i + (this.buffer[i + 1] === NEWLINE ? 2 : 1)
    }
    return undefined
  }

  /** Line, from 1, of the byte at `offset`. Offsets must not go back. `\n`, `\r` and `\r\n` each end one line. */
  lineAt(offset: number): number {
    const { buffer, first } = this
    const to = Math.min(offset, this.end) - first
    let { lastByte, line } = this
    for (let i = this.countedTo - first; i < to; i++) {
      const byte = buffer[i]!
      if (byte === NEWLINE ? lastByte !== RETURN : byte === RETURN) line++
      lastByte = byte
    }
    this.lastByte = lastByte
    this.line = line
    this.countedTo = Math.max(this.countedTo, first + to)
    return line
  }
}
