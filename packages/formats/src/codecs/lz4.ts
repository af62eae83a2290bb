/** @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md */
const FRAME_MAGIC = 0x184d2204
/** Version 1, independent blocks, no checksums; blocks of 4 MiB; and the checksum of these two bytes. */
const FRAME_HEADER = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73]
const BLOCK_BYTES = 4 * 1024 * 1024

const cut = (): Error => new Error('the LZ4 data ends too early')

/**
 * Decodes one LZ4 block of `input`, from `at` to `end`, to `out` from `start` on. Earlier bytes of `out` may be referred to.
 *
 * @returns the offset after what was written
 * @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 */
export const decodeLz4Block = (input: Uint8Array, from: number, end: number, out: Uint8Array, start: number): number => {
  let at = from
  let to = start
  const extended = (length: number): number => {
    let sum = length
    for (let byte = 255; byte === 255; ) {
      if (at >= end) throw cut()
      byte = input[at++]!
      sum += byte
    }
    return sum
  }
  while (at < end) {
    const token = input[at++]!
    const literals = token >> 4 === 15 ? extended(15) : token >> 4
    if (at + literals > end || to + literals > out.length) throw cut()
    if (literals > 32) out.set(input.subarray(at, at + literals), to)
    else for (let i = 0; i < literals; i++) out[to + i] = input[at + i]!
    at += literals
    to += literals
    if (at === end) return to
    if (at + 2 > end) throw cut()
    const distance = input[at]! | (input[at + 1]! << 8)
    at += 2
    const length = ((token & 15) === 15 ? extended(15) : token & 15) + 4
    if (distance === 0 || distance > to) throw new Error('LZ4 data refers to bytes before its own')
    if (to + length > out.length) throw new Error('LZ4 data is longer than it says')
    if (distance >= length && length > 32) out.copyWithin(to, to - distance, to - distance + length)
    else for (let i = 0; i < length; i++) out[to + i] = out[to + i - distance]!
    to += length
  }
  return to
}

/** Decodes an LZ4 frame that holds `length` bytes. @throws when it holds another number */
export const decodeLz4Frame = (input: Uint8Array, length: number): Uint8Array => {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  if (input.length < 7 || view.getUint32(0, true) !== FRAME_MAGIC) throw new Error('this is no LZ4 frame')
  const flags = input[4]!
  if (flags >> 6 !== 1) throw new Error('the version of an LZ4 frame is not known')
  let at = 7 + ((flags & 8) === 0 ? 0 : 8) + ((flags & 1) === 0 ? 0 : 4)
  // LZ4 packs 255 to 1 at most.
  if (length > 255 * input.length) throw new Error(`an LZ4 frame of ${input.length} bytes cannot hold ${length}`)
  const out = new Uint8Array(length)
  let to = 0
  for (;;) {
    if (at + 4 > input.length) throw cut()
    const size = view.getUint32(at, true)
    at += 4
    if (size === 0) break
    const end = at + (size & 0x7fffffff)
    if (end > input.length) throw cut()
    if (size >>> 31 === 1) {
      if (to + end - at > length) throw new Error('LZ4 data is longer than it says')
      out.set(input.subarray(at, end), to)
      to += end - at
    } else to = decodeLz4Block(input, at, end, out, to)
    at = end + ((flags & 16) === 0 ? 0 : 4)
  }
  if (to !== length) throw new Error(`an LZ4 frame holds ${to} bytes where ${length} are due`)
  return out
}

/** The largest that a block of `length` bytes can become. */
const worstBlock = (length: number): number => length + Math.ceil(length / 255) + 16

const HASH_BITS = 14
/** The last bytes of a block are always literals. */
const LAST_LITERALS = 5
const MATCH_MARGIN = 12

/** Encodes a block by a table of the last place of each four bytes, as the reference does at its fastest. */
export const encodeLz4Block = (input: Uint8Array): Uint8Array => {
  const out = new Uint8Array(worstBlock(input.length))
  const table = new Int32Array(1 << HASH_BITS).fill(-1)
  let to = 0
  let anchor = 0
  const lengthBytes = (length: number): void => {
    let left = length - 15
    for (; left >= 255; left -= 255) out[to++] = 255
    out[to++] = left
  }
  const literals = (end: number, match: number): void => {
    const count = end - anchor
    out[to++] = (Math.min(count, 15) << 4) | Math.min(match, 15)
    if (count >= 15) lengthBytes(count)
    out.set(input.subarray(anchor, end), to)
    to += count
  }
  const last = input.length - MATCH_MARGIN
  let misses = 0
  for (let at = 0; at < last; ) {
    const word = input[at]! | (input[at + 1]! << 8) | (input[at + 2]! << 16) | (input[at + 3]! << 24)
    const slot = Math.imul(word, -1640531535) >>> (32 - HASH_BITS)
    const found = table[slot]!
    table[slot] = at
    if (found < 0 || at - found > 65535 || input[found] !== input[at] || input[found + 1] !== input[at + 1] || input[found + 2] !== input[at + 2] || input[found + 3] !== input[at + 3]) {
      // Where nothing repeats, steps grow.
      at += 1 + (misses++ >> 6)
      continue
    }
    misses = 0
    let length = 4
    while (at + length < input.length - LAST_LITERALS && input[found + length] === input[at + length]) length++
    literals(at, length - 4)
    out[to++] = (at - found) & 255
    out[to++] = (at - found) >> 8
    if (length - 4 >= 15) lengthBytes(length - 4)
    at += length
    anchor = at
  }
  literals(input.length, 0)
  return out.subarray(0, to)
}

/** An LZ4 frame of the bytes. */
export const encodeLz4Frame = (input: Uint8Array): Uint8Array => {
  const parts: Uint8Array[] = [Uint8Array.from(FRAME_HEADER)]
  for (let at = 0; at < input.length; at += BLOCK_BYTES) {
    const plain = input.subarray(at, at + BLOCK_BYTES)
    const packed = encodeLz4Block(plain)
    const isSmaller = packed.length < plain.length
    const size = new Uint8Array(4)
    new DataView(size.buffer).setUint32(0, isSmaller ? packed.length : (plain.length | 0x80000000) >>> 0, true)
    parts.push(size, isSmaller ? packed : plain)
  }
  parts.push(new Uint8Array(4))
  return Buffer.concat(parts)
}
