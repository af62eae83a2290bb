import { compiledKernel, PAGE, type WebAssemblyHost, type WebAssemblyMemory } from '../../columnar/kernel-host.js'
import { BYTES, INT64 } from '../feature-kinds.js'
import type { FeatureWriter } from '../feature-writer.js'
import type { WireColumn } from '../wire-column.js'
import { code } from './generated/example-encoder-kernel.js'
import { CRC_TABLE } from './kernel-layout.js'

/** Rows that are loaded at once, at most; and of those, bytes. */
const MAX_ROWS = 4096
const MAX_LOAD = 8 * 1024 * 1024
/** Rows that are longer are better off without the kernel: one copy less, and checksums by native code. */
const LONG_ROW = 8 * 1024
/** Memory for frames: storage gets them in pieces of about this size. */
const OUTPUT_BYTES = 1024 * 1024
/** The kernel reads and writes by 8 bytes, and may touch so many after the end of anything. */
const SLACK = 16
const COLUMN_BYTES = 36

interface KernelExports {
  configure(columns: number, count: number): void
  encode(at: number, end: number, row: number, lastRow: number, step: number): number
  position(): number
}

const aligned = (address: number): number => (address + SLACK + 7) & ~7

/** Values `first` to `last` of a column: those of its rows. */
const valueRange = ({ listOffsets }: WireColumn, start: number, end: number): readonly [number, number] =>
  listOffsets === undefined ? [start, end] : [listOffsets[start]!, listOffsets[end]!]

const loadedBytes = (column: WireColumn, start: number, end: number): number => {
  const [first, last] = valueRange(column, start, end)
  const { wire, offsets } = column
  return wire === BYTES ? offsets[last]! - offsets[first]! + 4 * (last - first) : (last - first) * (wire === INT64 ? 8 : 4)
}

/**
 * The WebAssembly kernel (assembly/example-encoder-kernel.ts) with its memory: writes rows of columns as TFRecord frames, and keeps
 * these until they are taken.
 */
export class EncoderKernel {
  private readonly memory: WebAssemblyMemory
  private readonly kernel: KernelExports
  private readonly columns: number
  private readonly leads: readonly number[]
  private readonly output: number
  /** Where columns may be placed. */
  private readonly data: number
  private bytes: Uint8Array
  private held = 0

  private constructor(
    host: WebAssemblyHost,
    module: object,
    private readonly writers: readonly FeatureWriter[],
    crcTable: Int32Array,
  ) {
    let at = aligned(CRC_TABLE + 4 * crcTable.length)
    const place = (size: number): number => {
      const start = at
      at = aligned(at + size)
      return start
    }
    this.columns = place(writers.length * COLUMN_BYTES)
    this.leads = writers.map(({ lead }) => place(lead.length))
    this.output = place(OUTPUT_BYTES)
    this.data = at
    this.memory = new host.Memory({ initial: Math.ceil(at / PAGE), maximum: Math.ceil((at + 2 * MAX_LOAD + writers.length * 1024) / PAGE) })
    this.kernel = new host.Instance(module, { env: { memory: this.memory } }).exports as KernelExports
    this.bytes = new Uint8Array(this.memory.buffer)
    new Int32Array(this.memory.buffer, CRC_TABLE, crcTable.length).set(crcTable)
    for (const [i, { lead }] of writers.entries()) this.bytes.set(lead, this.leads[i])
    this.kernel.configure(this.columns, writers.length)
  }

  /**
   * A kernel for columns, or `undefined` where there is no WebAssembly.
   *
   * @param crcTable - the tables of slicing-by-16
   */
  static of(writers: readonly FeatureWriter[], crcTable: Int32Array): EncoderKernel | undefined {
    const found = compiledKernel(code)
    return found === undefined ? undefined : new EncoderKernel(found.host, found.module, writers, crcTable)
  }

  /**
   * Copies rows of the bound batch into the kernel, from `start` to at most `end`.
   *
   * @returns the row after them; `start` where the next rows are too long
   */
  load(start: number, end: number): number {
    let last = Math.min(end, start + MAX_ROWS)
    for (;;) {
      const size = this.writers.reduce((sum, { column }) => sum + loadedBytes(column, start, last), 0)
      if (size > (last - start) * LONG_ROW) return start
      if (size <= MAX_LOAD) break
      last = start + ((last - start) >> 1)
    }
    let at = this.data
    for (const [i, { column }] of this.writers.entries()) at = this.loadColumn(column, this.columns + i * COLUMN_BYTES, i, start, last, at)
    return last
  }

  /**
   * Writes every `step`-th of the loaded rows from `row` on, as long as there is room.
   *
   * @returns the row that comes next
   */
  encode(row: number, lastRow: number, step: number): number {
    const { output, kernel } = this
    const next = kernel.encode(output + this.held, output + OUTPUT_BYTES, row, lastRow, step)
    this.held = kernel.position() - output
    return next
  }

  /** Bytes of the frames held. */
  get length(): number {
    return this.held
  }

  /** A view of the frames held, good until the next `load` or `encode`. */
  written(): Uint8Array {
    return this.bytes.subarray(this.output, this.output + this.held)
  }

  /** Forgets the frames. */
  clear(): void {
    this.held = 0
  }

  private loadColumn(column: WireColumn, description: number, index: number, start: number, end: number, from: number): number {
    const { wire, words, offsets, bytes, listOffsets, validity } = column
    const [first, last] = valueRange(column, start, end)
    let at = from
    const put = (part: Int32Array | Uint8Array): number => {
      const address = at
      at = aligned(at + part.byteLength)
      this.reserve(at)
      this.bytes.set(part instanceof Uint8Array ? part : new Uint8Array(part.buffer, part.byteOffset, part.byteLength), address)
      return address
    }
    const width = wire === INT64 ? 2 : 1
    // Addresses are those of the values with number 0, wherever the loaded ones begin.
    const values = wire === BYTES ? 0 : put(words.subarray(width * first, width * last)) - 4 * width * first
    const ends = wire === BYTES ? put(offsets.subarray(first, last + 1)) - 4 * first : 0
    const texts = wire === BYTES ? put(bytes.subarray(offsets[first], offsets[last])) - offsets[first]! : 0
    const lists = listOffsets === undefined ? 0 : put(listOffsets.subarray(start, end + 1))
    const bits = validity === undefined ? 0 : put(rowBits(validity, start, end))
    const rowShift = listOffsets === undefined ? start : 0
    const fields = [wire, this.leads[index]!, this.writers[index]!.lead.length, values + 4 * width * rowShift, ends + 4 * rowShift, texts, lists, bits, 0]
    new Int32Array(this.memory.buffer, description, fields.length).set(fields)
    return at
  }

  private reserve(end: number): void {
    const more = Math.ceil((end + SLACK - this.memory.buffer.byteLength) / PAGE)
    if (more <= 0) return
    this.memory.grow(more)
    this.bytes = new Uint8Array(this.memory.buffer)
  }
}

/** The bits of rows, that of row `start` first. */
const rowBits = (bits: Uint8Array, start: number, end: number): Uint8Array => {
  if ((start & 7) === 0) return bits.subarray(start >> 3, (end + 7) >> 3)
  const out = new Uint8Array((end - start + 7) >> 3)
  for (let row = start; row < end; row++) if (((bits[row >> 3]! >> (row & 7)) & 1) === 1) out[(row - start) >> 3]! |= 1 << ((row - start) & 7)
  return out
}
