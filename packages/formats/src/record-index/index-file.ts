import { crc32c } from '../tfrecord/crc32c.js'
import { FRAME_FOOTER, FRAME_HEADER, readWord, writeWord } from '../tfrecord/frame.js'

/**
 * An index as a file: `MRTI`, version, size of the data file (two words), its fingerprint, number of records (two words), then the
 * length of each record as a varint, and last the CRC-32C of all before. Words are little-endian.
 */
const MAGIC = 0x4954524d
const VERSION = 1
const HEAD_BYTES = 28
const TWO_32 = 0x100000000

/** What an index is of, as far as it can be told without reading all of it. */
export interface FileIdentity {
  readonly size: number
  /** CRC-32C of the file's first and last bytes. */
  readonly fingerprint: number
}

/** Encodes the offsets at which frames begin, and last the one where they end. */
export const encodeIndex = ({ size, fingerprint }: FileIdentity, starts: Float64Array): Uint8Array => {
  const count = starts.length - 1
  const bytes = new Uint8Array(HEAD_BYTES + 5 * count + 4)
  const words = [MAGIC, VERSION, size % TWO_32, Math.floor(size / TWO_32), fingerprint, count % TWO_32, Math.floor(count / TWO_32)]
  for (const [i, word] of words.entries()) writeWord(bytes, 4 * i, word >>> 0)
  let at = HEAD_BYTES
  for (let i = 0; i < count; i++) {
    let length = starts[i + 1]! - starts[i]! - FRAME_HEADER - FRAME_FOOTER
    for (; length > 127; length >>>= 7) bytes[at++] = (length & 127) | 128
    bytes[at++] = length
  }
  writeWord(bytes, at, crc32c(bytes, 0, at))
  return bytes.subarray(0, at + 4)
}

/** Decodes an index; `undefined` where it is damaged, of another version, or not of this file. */
export const decodeIndex = (bytes: Uint8Array, { size, fingerprint }: FileIdentity): Float64Array | undefined => {
  const end = bytes.length - 4
  if (end < HEAD_BYTES || readWord(bytes, end) !== crc32c(bytes, 0, end)) return undefined
  const word = (i: number): number => readWord(bytes, 4 * i)
  if (word(0) !== MAGIC || word(1) !== VERSION || word(2) + word(3) * TWO_32 !== size || word(4) !== fingerprint) return undefined
  const count = word(5) + word(6) * TWO_32
  if (count > end - HEAD_BYTES) return undefined
  const starts = new Float64Array(count + 1)
  let at = HEAD_BYTES
  for (let i = 0; i < count; i++) {
    let length = 0
    for (let scale = 1; ; scale *= 128) {
      // Checksums hold in a file that somebody made up, too.
      if (at >= end || scale > TWO_32) return undefined
      const byte = bytes[at++]!
      length += (byte & 127) * scale
      if (byte < 128) break
    }
    starts[i + 1] = starts[i]! + length + FRAME_HEADER + FRAME_FOOTER
  }
  return at === end && starts[count] === size ? starts : undefined
}
