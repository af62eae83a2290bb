import { failure } from '@millrace/core'
import { crc32c, maskCrc32c } from '@millrace/formats'
import { stringColumn, type StringData } from '../tensor/host-tensor.js'

/** Offsets of one tensor's strings are signed 32-bit. */
const MAX_STRING_BYTES = 0x7fffffff

/**
 * The strings of a checkpoint's entry: their lengths as varints, the masked CRC of the lengths as little-endian integers,
 * then their bytes (`WriteStringTensor` in `tensorflow/core/util/tensor_bundle/tensor_bundle.cc`).
 *
 * @returns the strings and the CRC of the entry, which covers the fixed-width lengths, their checksum and the bytes
 * @throws `Corrupt`
 */
export const readStrings = (bytes: Uint8Array, count: number, use: string): { readonly strings: StringData; readonly crc: number } => {
  const bad = (problem: string): Error => failure({ tag: 'Corrupt', code: 'CHECKPOINT_STRINGS', problem: `${problem} in ${use}` })
  if (count + 4 > bytes.length) throw bad(`${count} strings cannot be`)
  const offsets = new Int32Array(count + 1)
  const fixed = new DataView(new ArrayBuffer(8))
  const scratch = new Uint8Array(fixed.buffer)
  let crc = 0
  let at = 0
  for (let i = 0; i < count; i++) {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined || shift > 42) throw bad('a length is cut short or too large')
      length += (byte & 127) * 2 ** shift
      if (byte < 128) break
    }
    if (offsets[i]! + length > Math.min(bytes.length, MAX_STRING_BYTES)) throw bad('a string is longer than its entry')
    offsets[i + 1] = offsets[i]! + length
    // Lengths above 2³² would be hashed as eight bytes; they cannot come here.
    fixed.setUint32(0, length, true)
    crc = crc32c(scratch, 0, 4, crc)
  }
  if (at + 4 + offsets[count]! !== bytes.length) throw bad('the lengths do not add up to the size of the entry')
  const checksum = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true)
  if (checksum !== maskCrc32c(crc)) throw bad('the checksum of the lengths does not match')
  crc = crc32c(bytes, at, bytes.length, crc)
  return { strings: stringColumn(offsets, bytes.subarray(at + 4)), crc }
}
