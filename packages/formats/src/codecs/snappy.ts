const HASH_BITS = 14
/** Copies reach back 16 bits at most: each block of this size is encoded by itself, as the reference does. */
const BLOCK_BYTES = 65536
const MARGIN = 15

/** Bytes that so many take at most. */
export const mostSnappy = (size: number): number => 32 + size + Math.ceil(size / 6)

/**
 * Packs bytes as Snappy, with the reference's table of the last place of each four bytes.
 *
 * @see https://github.com/google/snappy/blob/main/format_description.txt
 */
export const encodeSnappy = (input: Uint8Array): Uint8Array => {
  const out = new Uint8Array(mostSnappy(input.length))
  const table = new Int32Array(1 << HASH_BITS)
  let to = 0
  for (let left = input.length; ; left >>>= 7) {
    out[to++] = left > 127 ? (left & 127) | 128 : left
    if (left <= 127) break
  }
  const literal = (start: number, end: number): void => {
    const rest = end - start - 1
    if (rest < 0) return
    if (rest < 60) out[to++] = rest << 2
    else if (rest < 256) {
      out[to++] = 60 << 2
      out[to++] = rest
    } else {
      out[to++] = 61 << 2
      out[to++] = rest & 255
      out[to++] = rest >> 8
    }
    out.set(input.subarray(start, end), to)
    to += end - start
  }
  const copy = (distance: number, length: number): void => {
    for (let left = length; left > 0; ) {
      if (left >= 4 && left < 12 && distance < 2048) {
        out[to++] = 1 | ((left - 4) << 2) | ((distance >> 8) << 5)
        out[to++] = distance & 255
        return
      }
      // A rest below 4 could not be copied by the short form, nor need be: 2-byte offsets take any length from 1.
      const part = Math.min(64, left)
      out[to++] = ((part - 1) << 2) | 2
      out[to++] = distance & 255
      out[to++] = distance >> 8
      left -= part
    }
  }
  for (let block = 0; block < input.length; block += BLOCK_BYTES) {
    const end = Math.min(input.length, block + BLOCK_BYTES)
    table.fill(-1)
    let anchor = block
    let misses = 0
    for (let at = block; at < end - MARGIN; ) {
      const word = input[at]! | (input[at + 1]! << 8) | (input[at + 2]! << 16) | (input[at + 3]! << 24)
      const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - HASH_BITS)
      const found = table[slot]!
      table[slot] = at
      if (found < 0 || input[found] !== input[at] || input[found + 1] !== input[at + 1] || input[found + 2] !== input[at + 2] || input[found + 3] !== input[at + 3]) {
        at += 1 + (misses++ >> 5)
        continue
      }
      misses = 0
      let length = 4
      while (at + length < end && input[found + length] === input[at + length]) length++
      literal(anchor, at)
      copy(at - found, length)
      at += length
      anchor = at
    }
    literal(anchor, end)
  }
  return out.subarray(0, to)
}

/** What is wrong with Snappy data, by the numbers of assembly/page-kernel.ts. */
export const snappyFault = (fault: number): Error =>
  new Error(['', 'Snappy data tells another length than its page', 'Snappy data ends too early', 'Snappy data refers to bytes before its own', 'Snappy data is longer than it says'][fault])

/** A copy of three bytes gives 64 at most. */
const MOST_FOR_A_BYTE = 22

/** Whether so few bytes can hold so many: lengths are checked before room is made for them. */
export const canBeSnappy = (size: number, length: number): boolean => length <= MOST_FOR_A_BYTE * size

/** Inflates Snappy that holds `length` bytes. @throws when it holds another number */
export const decodeSnappy = (input: Uint8Array, length: number): Uint8Array => {
  if (!canBeSnappy(input.length, length)) throw snappyFault(1)
  const size = input.length
  let at = 0
  let told = 0
  for (let shift = 0, byte = 128; byte >= 128; shift += 7) {
    if (at >= size || shift > 28) throw snappyFault(2)
    byte = input[at++]!
    told += (byte & 127) * 2 ** shift
  }
  if (told !== length) throw snappyFault(1)
  const out = new Uint8Array(length)
  let to = 0
  const little = (bytes: number): number => {
    if (at + bytes > size) throw snappyFault(2)
    let value = 0
    for (let i = bytes - 1; i >= 0; i--) value = value * 256 + input[at + i]!
    at += bytes
    return value
  }
  while (at < size) {
    const tag = input[at++]!
    if ((tag & 3) === 0) {
      const count = (tag >> 2 < 60 ? tag >> 2 : little((tag >> 2) - 59)) + 1
      if (at + count > size) throw snappyFault(2)
      if (to + count > length) throw snappyFault(4)
      if (count > 32) out.set(input.subarray(at, at + count), to)
      else for (let i = 0; i < count; i++) out[to + i] = input[at + i]!
      at += count
      to += count
      continue
    }
    const count = (tag & 3) === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
    const distance = (tag & 3) === 1 ? ((tag >> 5) << 8) | little(1) : little((tag & 3) === 2 ? 2 : 4)
    if (distance === 0 || distance > to) throw snappyFault(3)
    if (to + count > length) throw snappyFault(4)
    for (let i = 0; i < count; i++, to++) out[to] = out[to - distance]!
  }
  if (to !== length) throw snappyFault(2)
  return out
}
