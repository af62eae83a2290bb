import { plainBytes } from '../example/plain-bytes.js'
import { crc32c, crc32cTables, maskCrc32c } from './crc32c.js'

/** Bytes before a payload: its length (64 bits, little-endian) and the masked CRC-32C of the length. */
export const FRAME_HEADER = 12
/** Bytes after a payload: its masked CRC-32C. */
export const FRAME_FOOTER = 4

/** A little-endian 32-bit word, unsigned. */
export const readWord = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0

/** Stores a little-endian 32-bit word. */
export const writeWord = (bytes: Uint8Array, at: number, word: number): void => {
  bytes[at] = word & 255
  bytes[at + 1] = (word >>> 8) & 255
  bytes[at + 2] = (word >>> 16) & 255
  bytes[at + 3] = word >>> 24
}

/** True when the header at `at` carries the CRC of its own length. */
export const headerHolds = (bytes: Uint8Array, at: number): boolean => maskCrc32c(crc32cTables(plainBytes(bytes), at, at + 8)) === readWord(bytes, at + 8)

/**
 * Frames in place: `bytes[start + 12 .. end - 4]` holds a payload already, the header and footer around it are filled in.
 *
 * The layout is that of tensorflow/core/lib/io/record_writer.h.
 *
 * @param start - first byte of the frame
 * @param end - byte after the frame
 */
export const sealFrame = (bytes: Uint8Array, start: number, end: number): void => {
  const length = end - start - FRAME_HEADER - FRAME_FOOTER
  writeWord(bytes, start, length)
  // Buffers end below 2^53 bytes, so a payload's length may need more than 32 bits in principle.
  writeWord(bytes, start + 4, Math.floor(length / 0x100000000))
  writeWord(bytes, start + 8, maskCrc32c(crc32cTables(bytes, start, start + 8)))
  writeWord(bytes, end - FRAME_FOOTER, maskCrc32c(crc32c(bytes, start + FRAME_HEADER, end - FRAME_FOOTER)))
}

/** One payload as a TFRecord frame, in a new buffer. */
export const encodeFrame = (payload: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(payload.length + FRAME_HEADER + FRAME_FOOTER)
  frame.set(payload, FRAME_HEADER)
  sealFrame(frame, 0, frame.length)
  return frame
}
