/**
 * The inner loops of Parquet's pages: AssemblyScript, compiled by scripts/build-kernels.mjs. Results equal those of the TypeScript in
 * src/codecs/snappy.ts and src/parquet/leaf-values.ts, byte for byte.
 *
 * It allocates nothing. src/parquet/page-kernel.ts places all that it works on, and leaves 64 bytes after each part, which loads and
 * copies by 16 bytes may touch. What pages say of themselves is checked here; addresses and capacities are trusted.
 */

/** Copies by 16 bytes; longer ones are worth a call. */
const LONG: u32 = 256

@inline
function copy(to: usize, from: usize, size: u32): void {
  if (size > LONG) {
    memory.copy(to, from, size)
    return
  }
  const end = to + size
  do {
    v128.store(to, v128.load(from))
    to += 16
    from += 16
  } while (to < end)
}

/** Copies what begins `distance` bytes before `to`; where it is shorter than `count`, again and again. */
@inline
function repeat(to: usize, distance: u32, count: u32): void {
  const end = to + count
  let source = to - distance
  if (distance >= 16) {
    do {
      v128.store(to, v128.load(source))
      to += 16
      source += 16
    } while (to < end)
    return
  }
  // Of a short pattern there is twice as much after each copy.
  while (to - source < 8 && to < end) {
    store<u64>(to, load<u64>(source))
    to += to - source
  }
  while (to < end) {
    store<u64>(to, load<u64>(source))
    to += 8
    source += 8
  }
}

/**
 * Inflates Snappy to exactly `length` bytes.
 *
 * @returns 0, or why not: 1 another length is told, 2 the input ends too early, 3 it refers to bytes before its own, 4 it is longer
 */
export function inflateSnappy(from: usize, size: u32, out: usize, length: u32): i32 {
  const end = from + size
  const stop = out + length
  let at = from
  let told: u32 = 0
  for (let shift: u32 = 0; ; shift += 7) {
    if (at >= end || shift > 28) return 2
    const byte = <u32>load<u8>(at++)
    told |= (byte & 127) << shift
    if (byte < 128) break
  }
  if (told != length) return 1
  let to = out
  while (at < end) {
    const tag = <u32>load<u8>(at++)
    if ((tag & 3) == 0) {
      let rest = tag >> 2
      if (rest >= 60) {
        const bytes = rest - 59
        rest = load<u32>(at) & (<u32>0xffffffff >> (32 - 8 * bytes))
        at += bytes
        if (at > end) return 2
      }
      if (rest >= <u32>(end - at)) return 2
      if (rest >= <u32>(stop - to)) return 4
      if (rest < 16) v128.store(to, v128.load(at))
      else copy(to, at, rest + 1)
      at += rest + 1
      to += rest + 1
      continue
    }
    let count: u32
    let distance: u32
    if ((tag & 3) == 1) {
      count = ((tag >> 2) & 7) + 4
      distance = ((tag >> 5) << 8) | <u32>load<u8>(at)
      at += 1
    } else if ((tag & 3) == 2) {
      count = (tag >> 2) + 1
      distance = <u32>load<u16>(at)
      at += 2
    } else {
      count = (tag >> 2) + 1
      distance = load<u32>(at)
      at += 4
    }
    if (at > end) return 2
    if (distance == 0 || distance > <u32>(to - out)) return 3
    if (count > <u32>(stop - to)) return 4
    repeat(to, distance, count)
    to += count
  }
  return to == stop ? 0 : 2
}

const HASH_BITS: u32 = 14
/** Copies reach back 16 bits at most: each block of this size is packed by itself. */
const BLOCK: u32 = 65536
/** At the end of a block no copy begins. */
const BLOCK_END: u32 = 15

/** Bytes as they are, from `from` to `end`; gives where the next tag goes. */
@inline
function literal(to: usize, from: usize, end: usize): usize {
  const size = <u32>(end - from)
  if (size == 0) return to
  const rest = size - 1
  if (rest < 60) store<u8>(to++, rest << 2)
  else if (rest < 256) {
    store<u8>(to, 60 << 2)
    store<u8>(to + 1, rest)
    to += 2
  } else {
    store<u8>(to, 61 << 2)
    store<u16>(to + 1, rest)
    to += 3
  }
  copy(to, from, size)
  return to + size
}

/** Copies of `size` bytes from `distance` before; gives where the next tag goes. */
@inline
function back(to: usize, distance: u32, size: u32): usize {
  while (size > 0) {
    if (size >= 4 && size < 12 && distance < 2048) {
      store<u8>(to, 1 | ((size - 4) << 2) | ((distance >> 8) << 5))
      store<u8>(to + 1, distance)
      return to + 2
    }
    const part = min<u32>(64, size)
    store<u8>(to, 2 | ((part - 1) << 2))
    store<u16>(to + 1, distance)
    to += 3
    size -= part
  }
  return to
}

/** How many bytes from `at` on, before `end`, are those from `match` on. */
@inline
function alike(match: usize, at: usize, end: usize): u32 {
  const start = at
  while (at + 8 <= end) {
    const different = load<u64>(match) ^ load<u64>(at)
    if (different != 0) return <u32>(at - start) + (<u32>ctz(different) >> 3)
    match += 8
    at += 8
  }
  while (at < end && load<u8>(match) == load<u8>(at)) {
    match++
    at++
  }
  return <u32>(at - start)
}

/** Packs bytes as Snappy; `table` has room for 2 ** 14 places of 16 bits. Gives how many bytes were written. */
export function deflateSnappy(from: usize, size: u32, out: usize, table: usize): u32 {
  let to = out
  for (let left = size; ; left >>= 7) {
    store<u8>(to++, left > 127 ? (left & 127) | 128 : left)
    if (left <= 127) break
  }
  for (let block: u32 = 0; block < size; block += BLOCK) {
    const start = from + block
    const end = start + min<u32>(BLOCK, size - block)
    memory.fill(table, 0, 2 << HASH_BITS)
    let anchor = start
    let misses: u32 = 0
    for (let at = start; at + BLOCK_END < end; ) {
      const word = load<u32>(at)
      const slot = table + 2 * <usize>((word * 0x1e35a7bd) >> (32 - HASH_BITS))
      // Places count from 1; 0 is none.
      const found = <usize>load<u16>(slot)
      store<u16>(slot, <u32>(at - start) + 1)
      const match = start + found - 1
      if (found == 0 || load<u32>(match) != word) {
        at += 1 + (misses++ >> 5)
        continue
      }
      misses = 0
      const length = 4 + alike(match + 4, at + 4, end)
      to = back(literal(to, anchor, at), <u32>(at - match), length)
      at += length
      anchor = at
    }
    to = literal(to, anchor, end)
  }
  return <u32>(to - out)
}

/** Whether slot `slot` has a value; without bits, all have. */
@inline
function isPresent(bits: usize, slot: u32): bool {
  return bits == 0 || ((load<u8>(bits + (slot >> 3)) >> (slot & 7)) & 1) == 1
}

/**
 * Values with their lengths before them, from `at` to `end`: their bytes are moved together, to where the first length stood, and after
 * each slot the sum of lengths, `base` added, goes to `offsets`.
 *
 * @returns how many bytes there are, or -1 where the page ends too early
 */
export function splitTexts(at: usize, end: usize, slots: u32, bits: usize, offsets: usize, base: u32): i32 {
  const start = at
  let to = at
  for (let slot: u32 = 0; slot < slots; slot++) {
    if (isPresent(bits, slot)) {
      if (<u32>(end - at) < 4) return -1
      const size = load<u32>(at)
      at += 4
      if (size > <u32>(end - at)) return -1
      // Copies of 16 bytes may write beyond the text, into the next length where fewer lengths were left out before it.
      if (at - to < 16) memory.copy(to, at, size)
      else if (size > 0) copy(to, at, size)
      at += size
      to += size
    }
    store<u32>(offsets + 4 * slot, base + <u32>(to - start))
  }
  return <i32>(to - start)
}

/**
 * Bytes of the texts that `count` indices name: text i of `texts` goes from offset i of `offsets` to the next one.
 *
 * @returns their sum, or -1 - i where the ith index is not below `length`
 */
export function textsSize(indices: usize, count: u32, offsets: usize, length: u32): f64 {
  let sum: u64 = 0
  for (let i: u32 = 0; i < count; i++) {
    const index = load<u32>(indices + 4 * i)
    if (index >= length) return -1 - <f64>i
    const at = offsets + 4 * <usize>index
    sum += <u64>(load<u32>(at + 4) - load<u32>(at))
  }
  return <f64>sum
}

/** Writes these texts, whose sum {@link textsSize} told, one after another to `to`, and after each slot the sum of lengths, `base` added, to `ends`. */
export function gatherTexts(indices: usize, slots: u32, bits: usize, offsets: usize, texts: usize, to: usize, ends: usize, base: u32): void {
  const start = to
  for (let slot: u32 = 0; slot < slots; slot++) {
    if (isPresent(bits, slot)) {
      const at = offsets + 4 * <usize>load<u32>(indices)
      const from = load<u32>(at)
      const size = load<u32>(at + 4) - from
      if (size > 0) copy(to, texts + from, size)
      indices += 4
      to += size
    }
    store<u32>(ends + 4 * slot, base + <u32>(to - start))
  }
}

/** Values of 32 bits to the slots that have one; 0 to the others. */
export function spread32(from: usize, bits: usize, slots: u32, to: usize): void {
  for (let slot: u32 = 0; slot < slots; slot++) {
    const has = (<u32>load<u8>(bits + (slot >> 3)) >> (slot & 7)) & 1
    store<u32>(to + 4 * slot, load<u32>(from) & (0 - has))
    from += 4 * has
  }
}

/** The same of 64 bits. */
export function spread64(from: usize, bits: usize, slots: u32, to: usize): void {
  for (let slot: u32 = 0; slot < slots; slot++) {
    const has = (<u64>load<u8>(bits + (slot >> 3)) >> <u64>(slot & 7)) & 1
    store<u64>(to + 8 * slot, load<u64>(from) & (0 - has))
    from += 8 * <usize>has
  }
}
