import { failure } from '../../errors/index.js'

/** Indices and arena offsets are signed 32-bit. */
const MAX_BYTES = 2 ** 31 - 1
/** Most entries: the slots of twice as many fit in one typed array of 1 GiB. */
const MAX_ENTRIES = 2 ** 27

/** Other in each process, so that no file can be made whose texts all collide. Numbering does not depend on it. */
const basis = Math.floor(Math.random() * 2 ** 32) | 0

const hashBytes = (bytes: Uint8Array, start: number, end: number): number => {
  let hash = basis
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  // FNV-1a leaves its low bits weak, and they choose the slot.
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}

/**
 * Distinct byte strings, numbered 0, 1, 2, … in the order they were added. A hash table with open addressing over one
 * growing buffer: finding a string makes no JavaScript object.
 */
export class ByteTable {
  /** Entry number + 1, or 0 where the slot is free; a power of two of them. */
  private slots = new Int32Array(1024)
  private hashes = new Int32Array(512)
  /** Entry `i` is `arena[offsets[i] .. offsets[i + 1]]`. */
  private offsets = new Int32Array(513)
  private arena = new Uint8Array(8192)
  private count = 0

  /** Number of distinct strings. */
  get size(): number {
    return this.count
  }

  /** The number of `bytes[start..end]`, or -1 when it was not added. */
  find(bytes: Uint8Array, start: number, end: number): number {
    return this.slots[this.slotOf(bytes, start, end, hashBytes(bytes, start, end))]! - 1
  }

  /** The number of `bytes[start..end]`, which is added (copied) when it is new. @throws `Limit` beyond 2 GiB or 2²⁷ entries */
  add(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(bytes, start, end)
    const slot = this.slotOf(bytes, start, end, hash)
    const found = this.slots[slot]!
    if (found !== 0) return found - 1
    const entry = this.count
    this.store(bytes, start, end, hash)
    this.slots[slot] = entry + 1
    if (this.count * 2 > this.slots.length) this.rehash()
    return entry
  }

  /** The bytes of an entry: a view, not a copy. */
  bytesOf(entry: number): Uint8Array {
    return this.arena.subarray(this.offsets[entry]!, this.offsets[entry + 1]!)
  }

  /** Below 0, 0 or above 0 as entry `a` comes before, is, or comes after entry `b` in the order of their bytes. */
  compare(a: number, b: number): number {
    const { arena, offsets } = this
    const endA = offsets[a + 1]!
    const endB = offsets[b + 1]!
    let atA = offsets[a]!
    let atB = offsets[b]!
    for (; atA < endA && atB < endB; atA++, atB++) {
      const difference = arena[atA]! - arena[atB]!
      if (difference !== 0) return difference
    }
    return endA - atA - (endB - atB)
  }

  /** The slot that holds the string, or the free one where it belongs. */
  private slotOf(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const { slots, hashes } = this
    const mask = slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const found = slots[slot]!
      if (found === 0 || (hashes[found - 1] === hash && this.equals(found - 1, bytes, start, end))) return slot
    }
  }

  private equals(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { arena } = this
    let at = this.offsets[entry]!
    if (this.offsets[entry + 1]! - at !== end - start) return false
    for (let i = start; i < end; i++, at++) if (arena[at] !== bytes[i]) return false
    return true
  }

  private store(bytes: Uint8Array, start: number, end: number, hash: number): void {
    const used = this.offsets[this.count]!
    const need = used + end - start
    if (need > MAX_BYTES || this.count === MAX_ENTRIES) {
      throw failure({
        tag: 'Limit',
        code: 'TOO_MANY_VALUES',
        problem: `there are more distinct values than a vocabulary holds (${MAX_ENTRIES} values, 2 GiB of text)`,
        remedy: 'Use hashBucket(), which needs no vocabulary.',
      })
    }
    if (need > this.arena.length) this.arena = grown(this.arena, new Uint8Array(Math.min(MAX_BYTES, Math.max(need, this.arena.length * 2))))
    if (this.count === this.hashes.length) {
      this.hashes = grown(this.hashes, new Int32Array(this.count * 2))
      this.offsets = grown(this.offsets, new Int32Array(this.count * 2 + 1))
    }
    const { arena } = this
    for (let i = start, at = used; i < end; i++, at++) arena[at] = bytes[i]!
    this.hashes[this.count] = hash
    this.offsets[++this.count] = need
  }

  private rehash(): void {
    const slots = new Int32Array(this.slots.length * 2)
    const mask = slots.length - 1
    for (let entry = 0; entry < this.count; entry++) {
      let slot = this.hashes[entry]! & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = entry + 1
    }
    this.slots = slots
  }
}

const grown = <A extends Uint8Array | Int32Array>(from: A, to: A): A => {
  to.set(from)
  return to
}
