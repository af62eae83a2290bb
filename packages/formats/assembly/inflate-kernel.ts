/**
 * Deflate (RFC 1951), inflated: AssemblyScript, compiled by scripts/build-kernels.mjs. What it takes for damage is what zlib's inflate.c does.
 *
 * It allocates nothing. src/compression/inflate-kernel.ts places what it works on: 64 bytes after the input, and 320 after the end of the output, may be
 * touched. Below 64 KiB it has its tables, at the addresses that follow.
 *
 * Codes are looked up as libdeflate does: one table by the next 11 bits of the input (8 for distances), and tables below it for longer codes. An entry
 * tells the bits of its code and of the number after it (bits 0 to 5), those of its code alone (8 to 11), what it is (12 to 15), and the literal, or
 * the least length or distance (16 to 31).
 *
 * One file, and long: a kernel is one module with one memory, whose globals its functions share.
 */

// Why `inflate` stopped, as src/compression/inflate-kernel.ts has it; above these is what is wrong.
const MORE: i32 = 0
const FULL: i32 = 1
const DONE: i32 = 2
const BAD_TYPE: i32 = 3
const BAD_STORED: i32 = 4
const TOO_MANY: i32 = 5
const BAD_CODE_LENGTHS: i32 = 6
const BAD_REPEAT: i32 = 7
const NO_END: i32 = 8
const BAD_LITERALS: i32 = 9
const BAD_DISTANCES: i32 = 10
const BAD_LITERAL: i32 = 11
const BAD_DISTANCE: i32 = 12
const TOO_FAR: i32 = 13

/** Within `inflate`: the block has ended. */
const BLOCK_END: i32 = -1

// Kinds of entries.
const LITERAL: u32 = 0x8000
/** Any of the next two, or a code that means nothing. */
const ODD: u32 = 0x4000
/** Bits 8 to 11 tell how many bits more are looked up in the table that begins at the entry that bits 16 to 31 number. */
const LONGER: u32 = 0x2000
const END: u32 = 0x1000

const LITERAL_BITS: u32 = 11
const DISTANCE_BITS: u32 = 8
const CODE_LENGTH_BITS: u32 = 7
const LITERAL_MASK: usize = (1 << LITERAL_BITS) - 1
const DISTANCE_MASK: usize = (1 << DISTANCE_BITS) - 1

const MOST_LITERALS: u32 = 286
const MOST_DISTANCES: u32 = 30
const LONGEST_CODE: u32 = 15
/** Bits of a length, a distance and their codes. */
const DISTANCE_NEED: u32 = 28

/** Entries of symbols without the lengths of their codes. */
const LITERAL_SYMBOLS: usize = 1024
const DISTANCE_SYMBOLS: usize = LITERAL_SYMBOLS + 4 * 288
const CODE_LENGTH_SYMBOLS: usize = DISTANCE_SYMBOLS + 4 * 32
/** In which order the lengths of the codes for lengths of codes come, a byte each. */
const ORDER: usize = CODE_LENGTH_SYMBOLS + 4 * 20
/** Lengths of codes, a byte each. A repetition may write 138 beyond the last. */
const LENGTHS: usize = ORDER + 32
const CODE_LENGTHS: usize = LENGTHS + 512
/** For `build`: how many codes have a length, where their symbols begin in `SORTED`, and symbols by length (16 bits each). */
const COUNTS: usize = CODE_LENGTHS + 32
const STARTS: usize = COUNTS + 64
const SORTED: usize = STARTS + 64
/** By which bytes 16 are filled where a distance is less, and how many of them are whole periods. */
const PERIODS: usize = 4096
const STEPS: usize = PERIODS + 16 * 16

const CODE_LENGTH_TABLE: usize = 8192
/** With the tables below them they have at most 2,342 and 402 entries (zlib's examples/enough.c). */
const LITERAL_TABLE: usize = 16384
const DISTANCE_TABLE: usize = 32768

/** What the fast loop may read of the input, and need of it, in one round. */
const FAST_BYTES: usize = 40

// Of the stream between calls: bits of the byte before `at` that are left, fewer than 8.
let bits: u64 = 0
let count: u32 = 0
let at: usize = 0
let out: usize = 0
let isInBlock: bool = false
let isStored: bool = false
let isLast: bool = false
/** Bytes of a stored block that are to come. */
let stored: usize = 0

/** Address of the first byte of the input that was not used. */
export function inputAt(): usize {
  return at
}

/** Address after the last byte of the output. */
export function outputAt(): usize {
  return out
}

/** Writes the tables that do not change. To be called once. */
export function setUp(): void {
  for (let i: u32 = 0; i < 256; i++) store<u32>(LITERAL_SYMBOLS + (i << 2), (i << 16) | LITERAL)
  store<u32>(LITERAL_SYMBOLS + 4 * 256, ODD | END)
  let least: u32 = 3
  for (let i: u32 = 0; i < 28; i++) {
    const extra: u32 = i < 8 ? 0 : (i >> 2) - 1
    store<u32>(LITERAL_SYMBOLS + ((257 + i) << 2), (least << 16) | extra)
    least += 1 << extra
  }
  store<u32>(LITERAL_SYMBOLS + 4 * 285, 258 << 16)
  store<u32>(LITERAL_SYMBOLS + 4 * 286, ODD)
  store<u32>(LITERAL_SYMBOLS + 4 * 287, ODD)
  least = 1
  for (let i: u32 = 0; i < MOST_DISTANCES; i++) {
    const extra: u32 = i < 4 ? 0 : (i >> 1) - 1
    store<u32>(DISTANCE_SYMBOLS + (i << 2), (least << 16) | extra)
    least += 1 << extra
  }
  store<u32>(DISTANCE_SYMBOLS + 4 * 30, ODD)
  store<u32>(DISTANCE_SYMBOLS + 4 * 31, ODD)
  for (let i: u32 = 0; i < 19; i++) store<u32>(CODE_LENGTH_SYMBOLS + (i << 2), i << 16)
  // 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15
  store<u64>(ORDER, 0x06090708_00121110)
  store<u64>(ORDER, 0x020d030c_040b050a, 8)
  store<u32>(ORDER, 0x0f010e, 16)
  for (let distance: usize = 1; distance < 16; distance++) {
    for (let i: usize = 0; i < 16; i++) store<u8>(PERIODS + (distance << 4) + i, <u8>(i % distance))
    store<u8>(STEPS + distance, <u8>(16 - 16 % distance))
  }
}

/** Begins with another stream. */
export function start(): void {
  bits = 0
  count = 0
  isInBlock = false
  isLast = false
}

/** Entry for a code of so many bits. */
@inline
function entryOf(symbols: usize, sorted: usize, length: u32): u32 {
  return load<u32>(symbols + (<usize>load<u16>(sorted) << 2)) + length * 0x101
}

/** The code after `code`, both with the first bit lowest; `all` has a one for each bit of a code. The last code has no next one. */
@inline
function nextCode(code: u32, all: u32): u32 {
  const bit: u32 = 1 << (31 - clz(code ^ all))
  return (code & (bit - 1)) | bit
}

@inline
function countOf(length: u32): u32 {
  return load<u32>(COUNTS + (length << 2))
}

/** Counts the lengths at `lengths`, and sorts symbols by them. @returns the longest */
function sortSymbols(lengths: usize, symbolCount: u32): u32 {
  memory.fill(COUNTS, 0, 64)
  for (let i: u32 = 0; i < symbolCount; i++) {
    const counted = COUNTS + (<usize>load<u8>(lengths + i) << 2)
    store<u32>(counted, load<u32>(counted) + 1)
  }
  let sum: u32 = 0
  let longest: u32 = 0
  for (let length: u32 = 1; length <= LONGEST_CODE; length++) {
    store<u32>(STARTS + (length << 2), sum)
    sum += countOf(length)
    if (countOf(length) != 0) longest = length
  }
  for (let i: u32 = 0; i < symbolCount; i++) {
    const length = <usize>load<u8>(lengths + i)
    if (length == 0) continue
    const place = STARTS + (length << 2)
    const rank = load<u32>(place)
    store<u32>(place, rank + 1)
    store<u16>(SORTED + (rank << 1), <u16>i)
  }
  return longest
}

/** Codes that are left over, of 32,768; negative where there are too many. */
function spareCodes(): i32 {
  let spare: i32 = 1
  for (let length: u32 = 1; length <= LONGEST_CODE; length++) {
    spare = (spare << 1) - <i32>countOf(length)
    if (spare < 0) return spare
  }
  return spare
}

/** A table for one code of one bit, or for none: all else means nothing. */
function buildSparse(symbols: usize, table: usize, tableBits: u32, hasOne: bool): void {
  const entry = hasOne ? entryOf(symbols, SORTED, 1) : ODD | 1
  for (let i: u32 = 0; i < <u32>1 << tableBits; i += 2) {
    store<u32>(table + (i << 2), entry)
    store<u32>(table + (i << 2), ODD | 1, 4)
  }
}

/** The tables of codes longer than `tableBits`: from the code `first` of so many bits on, whose symbol is at `sorted`. */
function buildLonger(symbols: usize, table: usize, tableBits: u32, first: u32, firstLength: u32, firstSorted: usize): void {
  const size: u32 = 1 << tableBits
  let code = first
  let length = firstLength
  let sorted = firstSorted
  let left = countOf(length)
  let begin: u32 = 0
  let filled = size
  let prefix: u32 = size
  for (;;) {
    if ((code & (size - 1)) != prefix) {
      prefix = code & (size - 1)
      begin = filled
      let moreBits = length - tableBits
      let used = left
      while (used < <u32>1 << moreBits) {
        moreBits++
        used = (used << 1) + countOf(tableBits + moreBits)
      }
      filled = begin + (1 << moreBits)
      store<u32>(table + (prefix << 2), (begin << 16) | ODD | LONGER | (moreBits << 8) | tableBits)
    }
    const entry = entryOf(symbols, sorted, length - tableBits)
    sorted += 2
    const step: u32 = 1 << (length - tableBits)
    for (let i = begin + (code >> tableBits); i < filled; i += step) store<u32>(table + (i << 2), entry)
    const all: u32 = (1 << length) - 1
    if (code == all) return
    code = nextCode(code, all)
    left--
    while (left == 0) left = countOf(++length)
  }
}

/**
 * Makes the table of a code from the lengths at `lengths`. As zlib has it, only a code of no symbols may leave bits over, and where it `mayBeSparse`
 * one of one symbol and one bit.
 *
 * @returns whether it can be one
 */
function build(lengths: usize, symbolCount: u32, symbols: usize, table: usize, tableBits: u32, mayBeSparse: bool): bool {
  const longest = sortSymbols(lengths, symbolCount)
  const spare = spareCodes()
  if (spare < 0 || (spare > 0 && longest > (mayBeSparse ? 1 : 0))) return false
  if (spare > 0) {
    buildSparse(symbols, table, tableBits, longest == 1)
    return true
  }
  // The table of all codes up to a length, doubled for the next length, since the bit that is added does not matter to them.
  let length: u32 = 1
  while (countOf(length) == 0) length++
  let filled: u32 = 1 << length
  let code: u32 = 0
  let sorted = SORTED
  for (; length <= tableBits; length++) {
    for (let left = countOf(length); left > 0; left--) {
      store<u32>(table + (code << 2), entryOf(symbols, sorted, length))
      sorted += 2
      if (code < filled - 1) code = nextCode(code, filled - 1)
    }
    if (length == tableBits) break
    memory.copy(table + (filled << 2), table, filled << 2)
    filled <<= 1
  }
  if (longest <= tableBits) return true
  length = tableBits + 1
  while (countOf(length) == 0) length++
  buildLonger(symbols, table, tableBits, code, length, sorted)
  return true
}

/** Takes bytes of the input until there are more than 56 bits. */
@inline
function fill(end: usize): void {
  while (count <= 56 && at < end) {
    bits |= <u64>load<u8>(at++) << <u64>count
    count += 8
  }
}

@inline
function drop(bitCount: u32): void {
  bits >>= <u64>bitCount
  count -= bitCount
}

/** Gives back the bytes of which no bit was used. */
@inline
function giveBack(): void {
  at -= count >> 3
  count &= 7
  bits &= (<u64>1 << <u64>count) - 1
}

@inline
function lookUp(table: usize, index: usize): u32 {
  return load<u32>(table + (index << 2))
}

/** The number after a code: `from` begins with the code. */
@inline
function extraBits(from: u64, entry: u32): u32 {
  return <u32>((from & ((<u64>1 << <u64>entry) - 1)) >> (<u64>(entry >> 8) & 15))
}

/** The codes of fixed blocks. */
function buildFixed(): void {
  memory.fill(LENGTHS, 8, 144)
  memory.fill(LENGTHS + 144, 9, 112)
  memory.fill(LENGTHS + 256, 7, 24)
  memory.fill(LENGTHS + 280, 8, 8)
  build(LENGTHS, 288, LITERAL_SYMBOLS, LITERAL_TABLE, LITERAL_BITS, false)
  memory.fill(LENGTHS, 5, 32)
  build(LENGTHS, 32, DISTANCE_SYMBOLS, DISTANCE_TABLE, DISTANCE_BITS, false)
}

/** Reads `total` lengths of codes. */
function readLengths(end: usize, total: u32): i32 {
  let have: u32 = 0
  while (have < total) {
    fill(end)
    const entry = lookUp(CODE_LENGTH_TABLE, <usize>bits & 127)
    const symbol = entry >> 16
    const extra: u32 = symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7
    if ((entry & 63) + extra > count) return MORE
    drop(entry & 63)
    if (symbol < 16) {
      store<u8>(LENGTHS + have++, <u8>symbol)
      continue
    }
    if (symbol == 16 && have == 0) return BAD_REPEAT
    const repeats = (<u32>bits & ((1 << extra) - 1)) + (symbol == 18 ? 11 : 3)
    drop(extra)
    if (have + repeats > total) return BAD_REPEAT
    memory.fill(LENGTHS + have, symbol == 16 ? load<u8>(LENGTHS + have - 1) : 0, repeats)
    have += repeats
  }
  return DONE
}

/** Reads the codes of a dynamic block. */
function readCodes(end: usize): i32 {
  if (count < 14) return MORE
  const literals = (<u32>bits & 31) + 257
  const distances = (<u32>(bits >> 5) & 31) + 1
  const codeLengths = (<u32>(bits >> 10) & 15) + 4
  if (literals > MOST_LITERALS || distances > MOST_DISTANCES) return TOO_MANY
  drop(14)
  memory.fill(CODE_LENGTHS, 0, 19)
  for (let i: u32 = 0; i < codeLengths; i++) {
    fill(end)
    if (count < 3) return MORE
    store<u8>(CODE_LENGTHS + <usize>load<u8>(ORDER + i), <u8>bits & 7)
    drop(3)
  }
  if (!build(CODE_LENGTHS, 19, CODE_LENGTH_SYMBOLS, CODE_LENGTH_TABLE, CODE_LENGTH_BITS, false)) return BAD_CODE_LENGTHS
  const read = readLengths(end, literals + distances)
  if (read != DONE) return read
  if (load<u8>(LENGTHS + 256) == 0) return NO_END
  if (!build(LENGTHS, literals, LITERAL_SYMBOLS, LITERAL_TABLE, LITERAL_BITS, true)) return BAD_LITERALS
  return build(LENGTHS + literals, distances, DISTANCE_SYMBOLS, DISTANCE_TABLE, DISTANCE_BITS, true) ? DONE : BAD_DISTANCES
}

/** Reads how a stored block begins, from the next whole byte on. */
function readStored(end: usize): i32 {
  drop(count & 7)
  fill(end)
  if (count < 32) return MORE
  if ((<u32>bits & 0xffff) != (~<u32>(bits >> 16) & 0xffff)) return BAD_STORED
  stored = <usize>bits & 0xffff
  drop(32)
  giveBack()
  return DONE
}

/** Reads how a block begins; where the input ends within that, nothing was read. */
function beginBlock(end: usize): i32 {
  const bitsBefore = bits
  const countBefore = count
  const atBefore = at
  fill(end)
  const head = <u32>bits & 7
  let read: i32 = MORE
  if (count >= 3) {
    const type = head >> 1
    drop(3)
    read = DONE
    if (type == 0) read = readStored(end)
    else if (type == 1) buildFixed()
    else read = type == 2 ? readCodes(end) : BAD_TYPE
  }
  if (read == DONE) {
    isInBlock = true
    isLast = (head & 1) == 1
    isStored = head >> 1 == 0
    giveBack()
  } else if (read == MORE) {
    bits = bitsBefore
    count = countBefore
    at = atBefore
  }
  return read
}

function copyStored(end: usize, outEnd: usize): i32 {
  const size = min(stored, min(end - at, outEnd - out))
  memory.copy(out, at, size)
  at += size
  out += size
  stored -= size
  return stored == 0 ? BLOCK_END : out >= outEnd ? FULL : MORE
}

/** Copies what stands `distance` before `to`; up to 31 bytes more are written. */
@inline
function repeat(to: usize, distance: usize, length: u32): void {
  const end = to + length
  let from = to - distance
  if (distance >= 16) {
    v128.store(to, v128.load(from))
    v128.store(to, v128.load(from, 16), 16)
    if (length <= 32) return
    do {
      to += 32
      from += 32
      v128.store(to, v128.load(from))
      v128.store(to, v128.load(from, 16), 16)
    } while (to + 32 < end)
    return
  }
  const period = v128.swizzle(v128.load(from), v128.load(PERIODS + (distance << 4)))
  const step = <usize>load<u8>(STEPS + distance)
  do {
    v128.store(to, period)
    to += step
  } while (to < end)
}

/**
 * Literals and repetitions while there are at least `FAST_BYTES` of input, and until `outEnd` is reached: bits are taken 8 bytes at a time, without
 * looking how many are needed (variant 4 of https://fgiesen.wordpress.com/2018/02/20/reading-bits-in-far-too-many-ways-part-2/). Of `have` the lowest
 * 6 bits count; whole entries are taken from it, which spares an operation each.
 */
function runFast(end: usize, outEnd: usize, begin: usize): i32 {
  const last = end - FAST_BYTES
  let held = bits
  let have = count
  let from = at
  let to = out
  let stop: i32 = FULL
  held |= load<u64>(from) << <u64>have
  from += ((have ^ 63) >> 3) & 7
  have |= 56
  let entry = lookUp(LITERAL_TABLE, <usize>held & LITERAL_MASK)
  do {
    let before = held
    held >>= <u64>entry
    have -= entry
    if (entry & LITERAL) {
      store<u8>(to++, <u8>(entry >> 16))
      entry = lookUp(LITERAL_TABLE, <usize>held & LITERAL_MASK)
      before = held
      held >>= <u64>entry
      have -= entry
      if (entry & LITERAL) {
        store<u8>(to++, <u8>(entry >> 16))
        entry = lookUp(LITERAL_TABLE, <usize>held & LITERAL_MASK)
        before = held
        held >>= <u64>entry
        have -= entry
        if (entry & LITERAL) {
          store<u8>(to++, <u8>(entry >> 16))
          held |= load<u64>(from) << <u64>have
          from += ((have ^ 63) >> 3) & 7
          have |= 56
          entry = lookUp(LITERAL_TABLE, <usize>held & LITERAL_MASK)
          continue
        }
      }
    }
    // At least 23 bits are left.
    if (entry & ODD) {
      if (entry & LONGER) {
        entry = lookUp(LITERAL_TABLE, <usize>(entry >> 16) + (<usize>held & ((<usize>1 << <usize>((entry >> 8) & 15)) - 1)))
        before = held
        held >>= <u64>entry
        have -= entry
      }
      if (entry & (ODD | LITERAL)) {
        if (entry & ODD) {
          stop = entry & END ? BLOCK_END : BAD_LITERAL
          break
        }
        store<u8>(to++, <u8>(entry >> 16))
        held |= load<u64>(from) << <u64>have
        from += ((have ^ 63) >> 3) & 7
        have |= 56
        entry = lookUp(LITERAL_TABLE, <usize>held & LITERAL_MASK)
        continue
      }
    }
    const length = (entry >> 16) + extraBits(before, entry)
    if ((have & 63) < DISTANCE_NEED) {
      held |= load<u64>(from) << <u64>have
      from += ((have ^ 63) >> 3) & 7
      have |= 56
    }
    entry = lookUp(DISTANCE_TABLE, <usize>held & DISTANCE_MASK)
    if (entry & LONGER) {
      held >>= <u64>DISTANCE_BITS
      have -= DISTANCE_BITS
      entry = lookUp(DISTANCE_TABLE, <usize>(entry >> 16) + (<usize>held & ((<usize>1 << <usize>((entry >> 8) & 15)) - 1)))
    }
    if (entry & ODD) {
      stop = BAD_DISTANCE
      break
    }
    const distance = <usize>((entry >> 16) + extraBits(held, entry))
    held >>= <u64>entry
    have -= entry
    if (distance > to - begin) {
      stop = TOO_FAR
      break
    }
    held |= load<u64>(from) << <u64>have
    from += ((have ^ 63) >> 3) & 7
    have |= 56
    // Looked up before the copy, which it then does not wait for.
    entry = lookUp(LITERAL_TABLE, <usize>held & LITERAL_MASK)
    repeat(to, distance, length)
    to += length
  } while (from < last && to < outEnd)
  bits = held
  count = have & 63
  at = from
  out = to
  giveBack()
  return stop
}

/** The entry of a code that may be longer than the table's bits, its lengths those of the whole code. */
@inline
function wholeEntry(table: usize, tableBits: u32, from: u64): u32 {
  const entry = lookUp(table, <usize>from & ((1 << tableBits) - 1))
  if ((entry & LONGER) == 0) return entry
  return lookUp(table, <usize>(entry >> 16) + (<usize>(from >> <u64>tableBits) & ((<usize>1 << <usize>((entry >> 8) & 15)) - 1))) + tableBits * 0x101
}

/** The same near the end of the input: nothing is taken of a literal or a repetition that is not there whole. */
function runCarefully(end: usize, outEnd: usize, begin: usize): i32 {
  while (out < outEnd) {
    fill(end)
    const entry = wholeEntry(LITERAL_TABLE, LITERAL_BITS, bits)
    const size = entry & 63
    if (size > count) return MORE
    if (entry & LITERAL) {
      drop(size)
      store<u8>(out++, <u8>(entry >> 16))
      continue
    }
    if (entry & ODD) {
      drop(size)
      return entry & END ? BLOCK_END : BAD_LITERAL
    }
    const distanceBits = bits >> <u64>size
    const distanceEntry = wholeEntry(DISTANCE_TABLE, DISTANCE_BITS, distanceBits)
    if (size + (distanceEntry & 63) > count) return MORE
    if (distanceEntry & ODD) return BAD_DISTANCE
    const distance = <usize>((distanceEntry >> 16) + extraBits(distanceBits, distanceEntry))
    if (distance > out - begin) return TOO_FAR
    const length = (entry >> 16) + extraBits(bits, entry)
    drop(size + (distanceEntry & 63))
    repeat(out, distance, length)
    out += length
  }
  return FULL
}

function runBlock(end: usize, outEnd: usize, begin: usize): i32 {
  if (isStored) return copyStored(end, outEnd)
  let stop: i32 = FULL
  if (end - at >= FAST_BYTES) stop = runFast(end, outEnd, begin)
  if (stop == FULL && out < outEnd) {
    stop = runCarefully(end, outEnd, begin)
    giveBack()
  }
  return stop
}

/**
 * Inflates what is at `from` to `to`, until that has come to `outEnd` (up to 260 bytes more are given) or the input ends. The stream goes on with
 * the next call, whose input begins with the bytes that were not used, at most 600.
 *
 * @param begin - where the stream's own output begins, or the last 32 KiB of it
 * @returns why it stopped
 */
export function inflate(from: usize, end: usize, to: usize, outEnd: usize, begin: usize): i32 {
  at = from
  out = to
  while (isInBlock || !isLast) {
    if (!isInBlock) {
      const read = beginBlock(end)
      if (read != DONE) return read
    }
    if (out >= outEnd) return FULL
    const stop = runBlock(end, outEnd, begin)
    if (stop != BLOCK_END) return stop
    isInBlock = false
  }
  return DONE
}

/** Bytes after which sums have to be reduced (zlib's NMAX, a multiple of 16). */
const REDUCE_BYTES: usize = 5552
const ADLER_BASE: u32 = 65521

@inline
function sum(lanes: v128): u32 {
  return i32x4.extract_lane(lanes, 0) + i32x4.extract_lane(lanes, 1) + i32x4.extract_lane(lanes, 2) + i32x4.extract_lane(lanes, 3)
}

/** Adler-32 (RFC 1950), gone on with from `previous`. */
export function adler32(from: usize, end: usize, previous: u32): u32 {
  const high = i8x16(16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)
  let a = previous & 0xffff
  let b = previous >> 16
  while (from < end) {
    const stop = min(end, from + REDUCE_BYTES)
    let sums = i32x4.splat(0)
    let sumsBefore = i32x4.splat(0)
    let weighted = i32x4.splat(0)
    const first = from
    for (; from + 16 <= stop; from += 16) {
      const bytes = v128.load(from)
      sumsBefore = i32x4.add(sumsBefore, sums)
      sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(bytes)))
      weighted = i32x4.add(weighted, i32x4.extadd_pairwise_i16x8_u(i16x8.extmul_low_i8x16_u(bytes, high)))
      weighted = i32x4.add(weighted, i32x4.extadd_pairwise_i16x8_u(i16x8.extmul_high_i8x16_u(bytes, high)))
    }
    b += a * <u32>(from - first) + 16 * sum(sumsBefore) + sum(weighted)
    a += sum(sums)
    for (; from < stop; from++) {
      a += <u32>load<u8>(from)
      b += a
    }
    a %= ADLER_BASE
    b %= ADLER_BASE
  }
  return (b << 16) | a
}
