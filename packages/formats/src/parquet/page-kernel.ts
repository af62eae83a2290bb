import { mostSnappy } from '../codecs/snappy.js'
import { compiledKernel, PAGE, type WebAssemblyMemory } from '../columnar/kernel-host.js'
import { code } from '../example/kernel/generated/page-kernel.js'
import type { Stored } from '../values/index.js'
import { beyondDictionary, valuesEndTooEarly } from './page-faults.js'
import type { PageSlots } from './page-slots.js'

interface PageKernelExports {
  deflateSnappy(from: number, size: number, out: number, table: number): number
  inflateSnappy(from: number, size: number, out: number, length: number): number
  splitTexts(at: number, end: number, slots: number, bits: number, offsets: number, base: number): number
  textsSize(indices: number, count: number, offsets: number, length: number): number
  gatherTexts(indices: number, slots: number, bits: number, offsets: number, texts: number, to: number, ends: number, base: number): void
  spread32(from: number, bits: number, slots: number, to: number): void
  spread64(from: number, bits: number, slots: number, to: number): void
}

/** Below it is what AssemblyScript may use. */
const BASE = 1024
/** What loads and copies by 16 bytes may touch after each part. */
const MARGIN = 64
const MAX_MEMORY = 2 ** 31
/** Of places of 16 bits. */
const SNAPPY_TABLE = 2 * 2 ** 14
/** An instance with more is let go when a column is done: memory does not shrink. */
const LARGEST_KEPT = 32 * 1024 * 1024

const after = (end: number): number => (end + MARGIN + 7) & ~7

/** Texts of which one ends where the next one begins. */
type Dictionary = Stored & { readonly is: 'bytes' }

const bytesOf = (values: Int32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

/** Texts of a page: the bytes, and their end for each slot. */
export interface PageTexts {
  readonly bytes: Uint8Array
  readonly ends: Int32Array
}

/**
 * The kernel of assembly/page-kernel.ts. What it gives are views of its memory, good until it is called again; they, and only they, are
 * used where they stand when they are handed in.
 */
export class PageKernel {
  private constructor(
    private readonly kernel: PageKernelExports,
    private readonly memory: WebAssemblyMemory,
  ) {}

  /** `undefined` where there is no WebAssembly with SIMD. */
  static create(): PageKernel | undefined {
    const found = compiledKernel(code)
    if (found === undefined) return undefined
    const memory = new found.host.Memory({ initial: 4, maximum: MAX_MEMORY / PAGE })
    return new PageKernel(new found.host.Instance(found.module, { env: { memory } }).exports as PageKernelExports, memory)
  }

  /** Whether it holds so much memory that another one should be made. */
  get isLarge(): boolean {
    return this.memory.buffer.byteLength > LARGEST_KEPT
  }

  /** `false` where there is no memory for it. */
  private reserve(end: number): boolean {
    if (end <= this.memory.buffer.byteLength) return true
    if (end > MAX_MEMORY) return false
    try {
      this.memory.grow(Math.ceil((end - this.memory.buffer.byteLength) / PAGE))
      return true
    } catch {
      return false
    }
  }

  /** Snappy, inflated; a number that says what is wrong with it; `undefined` where there is no memory for it. */
  inflateSnappy(input: Uint8Array, length: number): Uint8Array | number | undefined {
    const out = after(BASE + input.length)
    if (!this.reserve(after(out + length))) return undefined
    new Uint8Array(this.memory.buffer).set(input, BASE)
    const wrong = this.kernel.inflateSnappy(BASE, input.length, out, length)
    return wrong === 0 ? new Uint8Array(this.memory.buffer, out, length) : wrong
  }

  /** Packed as Snappy; `undefined` where there is no memory for it. */
  deflateSnappy(input: Uint8Array): Uint8Array | undefined {
    const out = after(BASE + input.length)
    const table = after(out + mostSnappy(input.length))
    if (!this.reserve(after(table + SNAPPY_TABLE))) return undefined
    new Uint8Array(this.memory.buffer).set(input, BASE)
    return new Uint8Array(this.memory.buffer, out, this.kernel.deflateSnappy(BASE, input.length, out, table))
  }

  /** Places a page, from `start` on, and the bits of its slots; gives where they are, and where `room` bytes follow. */
  private place(page: Uint8Array, bits: Uint8Array | undefined, room: number, start = BASE): { readonly page: number; readonly bits: number; readonly free: number } | undefined {
    const isHere = page.buffer === this.memory.buffer
    const at = isHere ? page.byteOffset : start
    const bitsAt = after(at + page.length)
    const free = after(bitsAt + (bits?.length ?? 0))
    if (!this.reserve(after(free + room))) return undefined
    const all = new Uint8Array(this.memory.buffer)
    if (!isHere) all.set(page, at)
    if (bits !== undefined) all.set(bits, bitsAt)
    return { page: at, bits: bits === undefined ? 0 : bitsAt, free }
  }

  /**
   * Texts with their lengths before them, which are gone from a page that is here; `undefined` where there is no memory for them.
   *
   * @throws where the page ends too early
   */
  splitTexts(page: Uint8Array, slots: number, bits: Uint8Array | undefined, base: number): PageTexts | undefined {
    // Of a view, nothing is left when memory grows.
    const { length } = page
    const places = this.place(page, bits, 4 * slots)
    if (places === undefined) return undefined
    const size = this.kernel.splitTexts(places.page, places.page + length, slots, places.bits, places.free, base)
    if (size < 0) throw valuesEndTooEarly()
    return { bytes: new Uint8Array(this.memory.buffer, places.page, size), ends: new Int32Array(this.memory.buffer, places.free, slots) }
  }

  /**
   * The texts of a dictionary that indices name, one for each slot that has one; `undefined` where they take more than `most` bytes, or there is no
   * memory for them.
   *
   * @throws for an index beyond the dictionary
   */
  gatherTexts({ offsets, bytes, length }: Dictionary, indices: Int32Array, { slots, present }: PageSlots, base: number, most: number): PageTexts | undefined {
    const textsAt = after(BASE + 4 * (length + 1))
    const places = this.place(bytesOf(indices), present, 0, after(textsAt + bytes.length))
    if (places === undefined) return undefined
    new Int32Array(this.memory.buffer, BASE, length + 1).set(offsets.subarray(0, length + 1))
    new Uint8Array(this.memory.buffer).set(bytes, textsAt)
    const size = this.kernel.textsSize(places.page, indices.length, BASE, length)
    if (size < 0) throw beyondDictionary(indices[-1 - size]!, length)
    const endsAt = after(places.free + size)
    if (size > most || !this.reserve(after(endsAt + 4 * slots))) return undefined
    this.kernel.gatherTexts(places.page, slots, places.bits, BASE, textsAt, places.free, endsAt, base)
    return { bytes: new Uint8Array(this.memory.buffer, places.free, size), ends: new Int32Array(this.memory.buffer, endsAt, slots) }
  }

  /** Values of 4 or 8 bytes in the slots that have one; `undefined` where there is no memory for them. */
  spread(page: Uint8Array, slots: number, bits: Uint8Array, width: 4 | 8): Uint8Array | undefined {
    const places = this.place(page, bits, slots * width)
    if (places === undefined) return undefined
    this.kernel[width === 4 ? 'spread32' : 'spread64'](places.page, places.bits, slots, places.free)
    return new Uint8Array(this.memory.buffer, places.free, slots * width)
  }
}

let kept: PageKernel | undefined

/** The kernel of this thread, for work that does not wait; `undefined` where there is none. */
export const pageKernel = (): PageKernel | undefined => (kept ??= PageKernel.create())

/** To be called when a column is done. */
export const releasePageKernel = (): void => {
  if (kept?.isLarge === true) kept = undefined
}
