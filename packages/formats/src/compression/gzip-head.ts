import { crc32 } from './crc32.js'

/** RFC 1952: mark, method, flags, time, level, system. */
const FIXED_BYTES = 10
const DEFLATED = 8

// Flags. That the file is text (1) says nothing of how it is read.
const HAS_CHECK = 2
const HAS_EXTRA = 4
const HAS_NAME = 8
const HAS_COMMENT = 16
const RESERVED = 0xe0

/** The parts of a head in their order: those that have a length, and those that end with a zero. */
const parts = ['fixed', 'extraLength', 'extra', 'name', 'comment', 'check'] as const

/** Reads the head of a member of gzip, whose parts may be cut anywhere, and passes over what it says of the file. */
export class GzipHead {
  /** What is wrong with it, in zlib's words. */
  fault: string | undefined
  private part = 0
  /** Bytes that the part has had. */
  private seen = 0
  private flags = 0
  /** Value of the last two bytes, the first of them lowest. */
  private word = 0
  private extraLength = 0
  private crc = 0

  /** Whether it is read. */
  get isWhole(): boolean {
    return this.part === parts.length
  }

  /** Reads `bytes[at..end]`. @returns where it stopped: after the head, at the end, or at a fault */
  read(bytes: Uint8Array, at: number, end: number): number {
    let next = at
    let checked = at
    while (!this.isWhole && this.fault === undefined) {
      if (this.isPartOver()) {
        this.part++
        this.seen = 0
        if (parts[this.part] !== 'check') continue
        this.crc = crc32(bytes.subarray(checked, next), this.crc)
        checked = next
        continue
      }
      if (next === end) break
      const byte = bytes[next++]!
      this.seen++
      this.word = (this.word >> 8) | (byte << 8)
      this.look(byte)
    }
    if (!this.isWhole && parts[this.part] !== 'check') this.crc = crc32(bytes.subarray(checked, next), this.crc)
    return next
  }

  private isPartOver(): boolean {
    const { flags, seen } = this
    switch (parts[this.part]) {
      case 'fixed':
        return seen === FIXED_BYTES
      case 'extraLength':
        return (flags & HAS_EXTRA) === 0 || seen === 2
      case 'extra':
        return seen === this.extraLength
      case 'name':
        return (flags & HAS_NAME) === 0 || (seen > 0 && this.word < 256)
      case 'comment':
        return (flags & HAS_COMMENT) === 0 || (seen > 0 && this.word < 256)
      default:
        return (flags & HAS_CHECK) === 0 || seen === 2
    }
  }

  /** Looks at a byte that has come. */
  private look(byte: number): void {
    const { seen, word } = this
    const part = parts[this.part]
    if (part === 'fixed') {
      if (seen === 2 && word !== 0x8b1f) this.fault = 'incorrect header check'
      else if (seen === 4) this.lookAtFlags(word & 255, byte)
    } else if (part === 'extraLength' && seen === 2) this.extraLength = word
    else if (part === 'check' && seen === 2 && word !== (this.crc & 0xffff)) this.fault = 'header crc mismatch'
  }

  private lookAtFlags(method: number, flags: number): void {
    this.flags = flags
    if (method !== DEFLATED) this.fault = 'unknown compression method'
    else if ((flags & RESERVED) !== 0) this.fault = 'unknown header flags set'
  }
}
