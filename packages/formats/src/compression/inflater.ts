import { crc32 } from './crc32.js'
import { GzipHead } from './gzip-head.js'
import { DONE, faultOf, keepInflateKernel, MORE, takeInflateKernel, type InflateKernel } from './inflate-kernel.js'

/** What is wrong with packed data, in zlib's words. */
export class InflateFault extends Error {}

const ZLIB_HEAD_BYTES = 2
const WORD_BYTES = 4
const ADLER_START = 1
const NO_DICTIONARY = 'Missing dictionary'

/** The same four bytes in the other order. */
const swapped = (word: number): number => ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0

/** RFC 1950. @returns what is wrong, in zlib's words */
const zlibHeadFault = (first: number, second: number): string | undefined => {
  if (((first << 8) | second) % 31 !== 0) return 'incorrect header check'
  if ((first & 15) !== 8) return 'unknown compression method'
  if (first >> 4 > 7) return 'invalid window size'
  return (second & 32) === 0 ? undefined : NO_DICTIONARY
}

/**
 * Inflates gzip, of one member or several, or zlib, in chunks whose boundaries may fall anywhere.
 *
 * Push a chunk, call {@link next} until it gives nothing, push the next one, until there are no more or {@link isOver}. A chunk is not touched any more
 * once `next` gave nothing. What `next` gives are views of 256 KiB, or 260 bytes more, which hold until it is called again.
 */
export class Inflater {
  private stage: 'head' | 'body' | 'check' | 'length' | 'between' | 'over' = 'head'
  private chunk: Uint8Array = new Uint8Array(0)
  /** Bytes of the chunk that the kernel has. */
  private at = 0
  /** Bytes that the kernel was given. */
  private placed = 0
  /** Whether the kernel has to be given more. */
  private isShort = true
  private head = new GzipHead()
  // Checksum and length of what the member inflates to.
  private check = 0
  private length = 0
  private fault: InflateFault | undefined

  private constructor(
    private readonly isGzip: boolean,
    private readonly kernel: InflateKernel,
  ) {
    kernel.clear()
  }

  /** `undefined` where there is no WebAssembly with SIMD. */
  static of(kind: 'gzip' | 'zlib'): Inflater | undefined {
    const kernel = takeInflateKernel()
    return kernel === undefined ? undefined : new Inflater(kind === 'gzip', kernel)
  }

  /** Lets its memory go, for others to use. To be called once, and nothing after it. */
  release(): void {
    keepInflateKernel(this.kernel)
  }

  /** Whether the data has come to its end: of gzip where a zero follows a member. What comes then is not looked at. */
  get isOver(): boolean {
    return this.stage === 'over'
  }

  /** Whether the data may end here. */
  get isWhole(): boolean {
    return this.stage === 'over' || this.stage === 'between'
  }

  /** Packed bytes that were used. */
  get used(): number {
    return this.placed - this.ready
  }

  /** Hands over a chunk. The chunk before must have been used up. */
  push(chunk: Uint8Array): void {
    this.chunk = chunk
    this.at = 0
    this.isShort = true
  }

  /**
   * Gives the bytes that come next.
   *
   * @returns `undefined` when more packed bytes are needed, or the data is over
   * @throws InflateFault, once what comes before it was given
   */
  next(): Uint8Array | undefined {
    while (this.stage !== 'over') {
      if (this.fault !== undefined) throw this.fault
      if (this.isShort) this.place()
      const piece = this.step()
      if (piece !== undefined && piece.length > 0) return piece
      if (this.isShort && this.fault === undefined && this.at === this.chunk.length) break
    }
    return undefined
  }

  /** Packed bytes that the kernel has and has not used. */
  private get ready(): number {
    return this.kernel.inputEnd - this.kernel.inputAt
  }

  private place(): void {
    const taken = this.kernel.take(this.chunk, this.at)
    this.at += taken
    this.placed += taken
    this.isShort = false
  }

  private step(): Uint8Array | undefined {
    switch (this.stage) {
      case 'body':
        return this.inflate()
      case 'head':
        if (this.isGzip) this.readGzipHead()
        else this.readZlibHead()
        break
      case 'check':
        this.readCheck()
        break
      case 'length':
        this.readLength()
        break
      default:
        this.readBetween()
    }
    return undefined
  }

  private inflate(): Uint8Array {
    const { kernel } = this
    const stop = kernel.inflate()
    const { output } = kernel
    this.check = this.isGzip ? crc32(output, this.check) : kernel.adler32(this.check)
    this.length += output.length
    if (stop === DONE) this.stage = 'check'
    else if (stop === MORE) this.isShort = true
    else this.fail(faultOf(stop))
    return output
  }

  private fail(problem: string | undefined): void {
    if (problem !== undefined) this.fault = new InflateFault(problem)
  }

  private beginBody(check: number): void {
    this.check = check
    this.length = 0
    this.stage = 'body'
    this.kernel.start()
  }

  private readGzipHead(): void {
    const { kernel, head } = this
    kernel.inputAt = head.read(kernel.input, kernel.inputAt, kernel.inputEnd)
    this.fail(head.fault)
    if (head.isWhole) this.beginBody(0)
    else this.isShort = true
  }

  private readZlibHead(): void {
    const { input, inputAt } = this.kernel
    const problem = this.ready < ZLIB_HEAD_BYTES ? undefined : zlibHeadFault(input[inputAt]!, input[inputAt + 1]!)
    // It says which dictionary; zlib reads that first.
    if (this.ready < ZLIB_HEAD_BYTES + (problem === NO_DICTIONARY ? WORD_BYTES : 0)) {
      this.isShort = true
      return
    }
    this.fail(problem)
    this.kernel.inputAt += ZLIB_HEAD_BYTES
    this.beginBody(ADLER_START)
  }

  /** The next four bytes as a number, the lowest byte first; `undefined` where they are not there yet. */
  private takeWord(): number | undefined {
    const { kernel } = this
    this.isShort = this.ready < WORD_BYTES
    if (this.isShort) return undefined
    const { input, inputAt } = kernel
    kernel.inputAt += WORD_BYTES
    return (input[inputAt]! | (input[inputAt + 1]! << 8) | (input[inputAt + 2]! << 16) | (input[inputAt + 3]! << 24)) >>> 0
  }

  private readCheck(): void {
    const word = this.takeWord()
    if (word === undefined) return
    if (word !== (this.isGzip ? this.check : swapped(this.check))) this.fail('incorrect data check')
    else this.stage = this.isGzip ? 'length' : 'over'
  }

  private readLength(): void {
    const word = this.takeWord()
    if (word === undefined) return
    if (word !== this.length % 2 ** 32) this.fail('incorrect length check')
    else this.stage = 'between'
  }

  /** Another member follows, or zeros, or nothing. */
  private readBetween(): void {
    this.isShort = this.ready === 0
    if (this.isShort) return
    this.head = new GzipHead()
    this.stage = this.kernel.input[this.kernel.inputAt] === 0 ? 'over' : 'head'
  }
}
