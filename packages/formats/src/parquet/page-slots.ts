import { bitmapBytes, countBits, getBit, setBit } from '@millrace/core'
import { readRuns } from './page-runs.js'

/** The slots of a page: rows, or items of the innermost lists. */
export interface PageSlots {
  readonly slots: number
  /** How many of them have a value. */
  readonly values: number
  /** Which have one, as an Arrow bitmap; absent where all have. */
  readonly present: Uint8Array | undefined
}

/** Sets the bits from `start` to `end`, whole bytes at a time. */
const setBits = (bits: Uint8Array, start: number, end: number): void => {
  let at = start
  while (at < end && (at & 7) !== 0) setBit(bits, at++)
  const whole = at + ((end - at) & ~7)
  if (at < whole) bits.fill(0xff, at >> 3, whole >> 3)
  for (at = Math.max(at, whole); at < end; at++) setBit(bits, at)
}

/** Copies `count` bits from the first of `from` to bit `start`, after which there are none yet. */
const appendBits = (bits: Uint8Array, start: number, from: Uint8Array, count: number): void => {
  const shift = start & 7
  const first = start >> 3
  const size = bitmapBytes(count)
  if (shift === 0) bits.set(from.subarray(0, size), first)
  else for (let i = 0; i < size; i++) {
    bits[first + i]! |= from[i]! << shift
    if (first + i + 1 < bits.length) bits[first + i + 1] = from[i]! >> (8 - shift)
  }
  // What the source has after its last bit is not ours.
  const end = start + count
  const last = bitmapBytes(end)
  if ((end & 7) !== 0) bits[last - 1]! &= (1 << (end & 7)) - 1
  if (last < bits.length) bits[last] = 0
}

/** Slots by definition levels of 0 and 1, which are a bitmap as they stand. */
export const flatSlots = (bytes: Uint8Array, from: number, to: number, slots: number): PageSlots => {
  let bits: Uint8Array | undefined
  let ones = 0
  const made = (upTo: number): Uint8Array => {
    if (bits === undefined) setBits((bits = new Uint8Array(bitmapBytes(slots))), 0, upTo)
    return bits
  }
  readRuns(bytes, from, to, 1, slots, {
    repeat: (value, start, count) => {
      if (value > 1) throw new Error(`a page has the level ${value}, and 1 is the highest`)
      if (value === 0) made(start)
      else {
        ones += count
        if (bits !== undefined) setBits(bits, start, start + count)
      }
    },
    packed: (at, start, count) => {
      const packed = bytes.subarray(at, at + bitmapBytes(count))
      appendBits(made(start), start, packed, count)
      ones += countBits(packed, count)
    },
  })
  return { slots, values: ones, present: ones === slots ? undefined : bits }
}

/** Slots of a page of lists by its definition levels from `start` to `end`; levels below `least` are lists without items. */
export const listSlots = (levels: Uint8Array, start: number, end: number, least: number, most: number): PageSlots => {
  const present = new Uint8Array(bitmapBytes(end - start))
  let slots = 0
  let values = 0
  for (let i = start; i < end; i++) {
    const level = levels[i]!
    if (level > most) throw new Error(`a page has the level ${level}, and ${most} is the highest`)
    if (level < least) continue
    if (level === most) {
      setBit(present, slots)
      values++
    }
    slots++
  }
  return { slots, values, present: values === slots ? undefined : present }
}

/** Puts the bitmaps of pages one after another. */
export class ValidityBuilder {
  private bits: Uint8Array | undefined
  private at = 0

  /** @param most - slots that there may be */
  constructor(private readonly most: number) {}

  add({ slots, present }: PageSlots): void {
    if (present !== undefined) {
      if (this.bits === undefined) setBits((this.bits = new Uint8Array(bitmapBytes(this.most))), 0, this.at)
      appendBits(this.bits, this.at, present, slots)
    } else if (this.bits !== undefined) setBits(this.bits, this.at, this.at + slots)
    this.at += slots
  }

  /** The bitmap; `undefined` where no slot is null. */
  finish(): Uint8Array | undefined {
    return this.bits?.subarray(0, bitmapBytes(this.at))
  }
}

/** Moves the values of a page, which stand from `start` on, to the slots that have one, from the end so that one array is enough; 0 goes to the others. */
export const spread = (values: Uint8Array | Int32Array | Float32Array | Float64Array, start: number, { slots, values: count, present }: PageSlots): void => {
  if (present === undefined) return
  let from = start + count
  for (let slot = slots - 1; slot >= 0; slot--) values[start + slot] = getBit(present, slot) ? values[--from]! : 0
}

/** The same of 64-bit integers, as pairs of words: a bigint of each would cost ten times as much. */
export const spreadPairs = (words: Int32Array, start: number, { slots, values: count, present }: PageSlots): void => {
  if (present === undefined) return
  let from = 2 * (start + count)
  for (let slot = slots - 1; slot >= 0; slot--) {
    const isPresent = getBit(present, slot)
    words[2 * (start + slot) + 1] = isPresent ? words[--from]! : 0
    words[2 * (start + slot)] = isPresent ? words[--from]! : 0
  }
}

/** The same of the ends of texts: a slot without one ends where the one before it does. */
export const spreadEnds = (ends: Int32Array, start: number, { slots, values: count, present }: PageSlots): void => {
  if (present === undefined) return
  let from = start + count
  for (let slot = slots - 1; slot >= 0; slot--) {
    ends[start + slot + 1] = ends[from]!
    if (getBit(present, slot)) from--
  }
}
