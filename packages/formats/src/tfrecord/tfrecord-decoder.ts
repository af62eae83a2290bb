import { failure, type ErrorPosition, type MillraceError } from '@millrace/core'
import { plainBytes } from '../example/plain-bytes.js'
import { unread } from '../reading/unread.js'
import { crc32c, maskCrc32c } from './crc32c.js'
import { FRAME_FOOTER, FRAME_HEADER, headerHolds, readWord } from './frame.js'

/**
 * Longest payload by default: 256 MiB. A record is held in memory whole, and a damaged or hostile file should not choose how much
 * memory that is. TensorFlow itself parses no message above 2 GiB.
 */
export const MAX_RECORD_BYTES = 256 * 1024 * 1024

/** No buffer of 32-bit offsets holds more. */
const LARGEST_RECORD_BYTES = 2147483647 - FRAME_HEADER - FRAME_FOOTER

/** The error for a header whose checksum is wrong. @param end - where the file ends, if it is known */
export const damagedLength = (position: ErrorPosition & { readonly byte: number }, end?: number): MillraceError =>
  failure({
    tag: 'Corrupt',
    code: 'TFRECORD_LENGTH_CRC',
    problem: `the checksum of a record length is wrong, so where the next record begins is lost: ${unread(position.byte, end)}`,
    remedy: position.byte === 0 ? 'Check that this is a TFRecord file and how it is compressed.' : 'The file is damaged: copy or write it again.',
    position,
  })

/** The error for a file that ends within a record. */
export const cutRecord = (end: number, position: ErrorPosition): MillraceError =>
  failure({
    tag: 'Corrupt',
    code: 'TFRECORD_TRUNCATED',
    problem: `the TFRecord file ends at byte ${end}, in the middle of a record`,
    remedy: 'The file was cut short: copy or write it again.',
    position,
  })

/** The error for a payload whose checksum is wrong. */
export const damagedData = (position: ErrorPosition): MillraceError =>
  failure({
    tag: 'BadRecord',
    code: 'TFRECORD_DATA_CRC',
    problem: "the checksum of a record's data is wrong",
    remedy: "The file is damaged: copy or write it again, or leave such records out with onBadRecord: 'skip'.",
    position,
  })

/** Options of {@link TfRecordDecoder}. */
export interface TfRecordDecoderOptions {
  /** Name of the source, for errors. */
  readonly source?: string | undefined
  /** Longest payload that is taken. Default 256 MiB, at most 2 GiB. */
  readonly maxRecordBytes?: number | undefined
  /** Byte offset (after decompression) at which the first pushed byte stands. Default 0. */
  readonly byte?: number | undefined
  /** Index of the first record. Default 0. */
  readonly record?: number | undefined
  /** Bytes of the source, for errors. */
  readonly size?: number | undefined
}

/**
 * Finds records in chunks whose boundaries may fall anywhere, and checks both CRCs of each.
 *
 * Push a chunk, call {@link next} until it says `false`, push the next one; call {@link end} after the last. While `next` says
 * `true`, the payload is `bytes[start..end]`, a view that the following call of `next` or `push` may overwrite: records that
 * lie in one chunk are not copied.
 *
 * A payload whose CRC is wrong is a `BadRecord`: `next` throws, and can be called again for the record after it. A length whose
 * CRC is wrong is `Corrupt`: where the next record begins is lost.
 */
export class TfRecordDecoder {
  /** Buffer that holds the payload. */
  bytes: Uint8Array = new Uint8Array(0)
  start = 0
  end = 0
  /** Offset of the current record's frame in the source. */
  recordByte: number
  /** Index of the current record. */
  record: number
  /** Bytes of the source, where they are known, for errors. @internal */
  size: number | undefined

  /** What was pushed last. @internal */
  chunk: Uint8Array = new Uint8Array(0)
  /** How many chunks were pushed. @internal */
  pushes = 0
  /** Where the next frame begins in `chunk`, once nothing is carried. */
  private at = 0
  /** A frame whose bytes are spread over chunks, as far as it has come. */
  private carry = new Uint8Array(0)
  private carried = 0
  private nextByte: number
  private nextRecord: number
  private readonly source: string | undefined
  private readonly limit: number

  constructor(options: TfRecordDecoderOptions = {}) {
    this.source = options.source
    this.size = options.size
    this.limit = Math.min(options.maxRecordBytes ?? MAX_RECORD_BYTES, LARGEST_RECORD_BYTES)
    this.nextByte = options.byte ?? 0
    this.nextRecord = options.record ?? 0
    this.recordByte = this.nextByte
    this.record = this.nextRecord
  }

  /** Offset of the byte after the last record that was given. */
  get byteAfter(): number {
    return this.nextByte
  }

  /** Index of the record that comes next. */
  get recordAfter(): number {
    return this.nextRecord
  }

  /** Hands over a chunk. The chunk before must have been used up (`next` said `false`). */
  push(chunk: Uint8Array): void {
    this.chunk = plainBytes(chunk)
    this.at = 0
    this.pushes++
  }

  /** Where the next frame begins in the chunk, unless one is carried. @internal */
  get chunkOffset(): number {
    return this.at
  }

  /** Length of the next record as its header says, which was not checked; the header lies in the chunk. @internal */
  get nextSize(): number {
    return readWord(this.chunk, this.at)
  }

  /** Steps over records of the chunk that were decoded elsewhere. @internal */
  pass(bytes: number, records: number): void {
    this.at += bytes
    this.nextByte += bytes
    this.nextRecord += records
  }

  /** True while a frame is carried over from the chunk before. @internal */
  get isCarrying(): boolean {
    return this.carried > 0
  }

  /** Bytes that the carried frame lacks, as far as it tells; 0 where none is carried. @internal */
  get lacking(): number {
    if (this.carried === 0) return 0
    return (this.carried < FRAME_HEADER ? FRAME_HEADER : readWord(this.carry, 0) + FRAME_HEADER + FRAME_FOOTER) - this.carried
  }

  /**
   * Completes the carried frame, unless its record is longer than `longest`, and hands out its bytes, none of which were checked.
   * `undefined` when more are needed. @internal
   */
  carriedFrame(longest: number): Uint8Array | undefined {
    if (this.carried < FRAME_HEADER) this.take(FRAME_HEADER - this.carried)
    if (this.carried < FRAME_HEADER) return undefined
    const length = readWord(this.carry, 0)
    if (length > longest) return undefined
    const size = length + FRAME_HEADER + FRAME_FOOTER
    this.take(size - this.carried)
    return this.carried < size ? undefined : this.carry.subarray(0, size)
  }

  /** Steps over the carried frame, which was decoded elsewhere. @internal */
  passCarried(): void {
    this.nextByte += this.carried
    this.nextRecord++
    this.carried = 0
  }

  /**
   * Goes on to the next record.
   *
   * @returns `false` when more bytes are needed
   * @throws `BadRecord` TFRECORD_DATA_CRC, `Corrupt` TFRECORD_LENGTH_CRC, `Limit` TFRECORD_TOO_LONG
   */
  next(): boolean {
    if (this.carried > 0) return this.nextCarried()
    const { chunk, at } = this
    const left = chunk.length - at
    if (left >= FRAME_HEADER) {
      const size = this.frameSize(chunk, at)
      if (size <= left) {
        this.at = at + size
        this.give(chunk, at, size)
        return true
      }
    }
    this.take(left)
    return false
  }

  /** Says that no more bytes will come. @throws `Corrupt` TFRECORD_TRUNCATED when they end within a record */
  finish(): void {
    if (this.carried === 0) return
    throw cutRecord(this.nextByte + this.carried, { source: this.source, byte: this.nextByte, record: this.nextRecord })
  }

  private nextCarried(): boolean {
    if (this.carried < FRAME_HEADER) this.take(FRAME_HEADER - this.carried)
    if (this.carried < FRAME_HEADER) return false
    const size = this.frameSize(this.carry, 0)
    this.take(size - this.carried)
    if (this.carried < size) return false
    this.carried = 0
    this.give(this.carry, 0, size)
    return true
  }

  /** Moves up to `wanted` bytes of the chunk to the carried frame, which grows by what is there, not by what a header promises. */
  private take(wanted: number): void {
    const count = Math.min(wanted, this.chunk.length - this.at)
    if (count <= 0) return
    const need = this.carried + count
    if (need > this.carry.length) {
      const grown = new Uint8Array(Math.max(need, this.carry.length * 2, 1024))
      grown.set(this.carry.subarray(0, this.carried))
      this.carry = grown
    }
    this.carry.set(this.chunk.subarray(this.at, this.at + count), this.carried)
    this.carried = need
    this.at += count
  }

  private frameSize(bytes: Uint8Array, at: number): number {
    if (!headerHolds(bytes, at)) throw damagedLength({ source: this.source, byte: this.nextByte, record: this.nextRecord }, this.size)
    const low = readWord(bytes, at)
    const high = readWord(bytes, at + 4)
    if (high !== 0 || low > this.limit) {
      throw failure({
        tag: 'Limit',
        code: 'TFRECORD_TOO_LONG',
        problem: `a record is ${high * 0x100000000 + low} bytes long, and the limit is ${this.limit}`,
        remedy: 'Raise maxRecordBytes if the file is sound.',
        position: { source: this.source, byte: this.nextByte, record: this.nextRecord },
      })
    }
    // As a small integer: offsets that might be fractions would slow down every loop that uses them.
    return (low | 0) + FRAME_HEADER + FRAME_FOOTER
  }

  private give(bytes: Uint8Array, at: number, size: number): void {
    this.bytes = bytes
    this.start = at + FRAME_HEADER
    this.end = at + size - FRAME_FOOTER
    this.recordByte = this.nextByte
    this.record = this.nextRecord
    this.nextByte += size
    this.nextRecord++
    if (maskCrc32c(crc32c(bytes, this.start, this.end)) !== readWord(bytes, this.end)) throw damagedData({ source: this.source, byte: this.recordByte, record: this.record })
  }
}
