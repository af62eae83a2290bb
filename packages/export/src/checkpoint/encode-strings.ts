import { crc32c, maskCrc32c } from '@millrace/formats'
import { encodeVarint } from './encode-table.js'

/** A string tensor as a checkpoint's data file holds it, and the CRC that its entry has, not yet masked. */
export interface EncodedStrings {
  readonly bytes: Uint8Array
  readonly crc: number
}

/** Longest string whose length the checksum takes as 32 bits. */
const MAX_UINT32 = 0xffffffff

/**
 * A string tensor: varint lengths, the masked CRC of the lengths (each as 32 bits, or 64 where it needs them), then the strings.
 * The entry's CRC covers the lengths in that fixed form, the four bytes of the checksum, and the strings (`WriteStringTensor` in
 * `tensorflow/core/util/tensor_bundle/tensor_bundle.cc`).
 */
export const encodeStrings = (strings: readonly Uint8Array[]): EncodedStrings => {
  const lengths = strings.map((string) => encodeVarint(string.length))
  const head = lengths.reduce((size, length) => size + length.length, 0)
  const bytes = new Uint8Array(head + 4 + strings.reduce((size, string) => size + string.length, 0))
  let at = 0
  let crc = 0
  strings.forEach((string, index) => {
    const length = lengths[index] as Uint8Array
    bytes.set(length, at)
    at += length.length
    const wide = string.length > MAX_UINT32
    const fixed = new DataView(new ArrayBuffer(wide ? 8 : 4))
    if (wide) fixed.setBigUint64(0, BigInt(string.length), true)
    else fixed.setUint32(0, string.length, true)
    crc = crc32c(new Uint8Array(fixed.buffer), 0, fixed.byteLength, crc)
  })
  new DataView(bytes.buffer).setUint32(at, maskCrc32c(crc), true)
  at += 4
  for (const string of strings) {
    bytes.set(string, at)
    at += string.length
  }
  return { bytes, crc: crc32c(bytes, head, bytes.length, crc) }
}
