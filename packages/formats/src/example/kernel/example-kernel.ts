import { makeBatch, type Batch, type Column, type Schema } from '@millrace/core'
import { compiledKernel, PAGE, type WebAssemblyHost, type WebAssemblyMemory } from '../../columnar/kernel-host.js'
import { BYTES } from '../feature-kinds.js'
import type { FeatureSlot } from '../feature-slot.js'
import { columnCopy } from '../column-memory.js'
import { copiedBytes, slotColumn } from '../slot-column.js'
import { code } from './generated/example-kernel.js'
import { clearColumns, columnValues, CRC_TABLE, describeColumns, layOut, WINDOW_BYTES, type KernelColumn, type KernelLayout } from './kernel-layout.js'

/** Rows that the kernel holds at most; larger batches are put together from several fillings. */
const MAX_ROWS = 16384
/**
 * Longest record that the kernel takes: beyond, copying it into the kernel's memory costs more than is won, and native code
 * computes the checksum faster.
 */
const LONGEST_RECORD = 16 * 1024
/** Most memory of one kernel; a record for which that is not enough is decoded without it. */
const MAX_MEMORY = 256 * 1024 * 1024

interface KernelExports {
  configure(columns: number, count: number, keys: number, keyMask: number, places: number, placeCount: number, longest: number): void
  decode(at: number, end: number, row: number, lastRow: number, budget: number): number
  position(): number
  stopReason(): number
  fullAt(): number
}

/** Kernels that were released: parts of a file and files come one after another, and memory that is in use already is much faster than fresh memory. */
const idle: { readonly key: string; readonly kernel: ExampleKernel }[] = []
const MOST_IDLE = 2
const LARGEST_IDLE = 64 * 1024 * 1024

/** Why the kernel stopped. */
export const MORE = 0
export const ODD = 1
export const FULL = 2

/**
 * The WebAssembly kernel (assembly/example-kernel.ts) with its memory: takes runs of frames and keeps their rows, until they are
 * taken as a batch.
 */
export class ExampleKernel {
  /** Rows held. */
  rows = 0
  /** Why {@link decode} stopped. */
  reason = MORE

  private readonly memory: WebAssemblyMemory
  private readonly kernel: KernelExports
  private readonly rowCapacity: number
  private layout: KernelLayout
  private window = new Uint8Array(0)
  private isReleased = false

  private constructor(
    /** What it was made of. */
    private readonly key: string,
    host: WebAssemblyHost,
    module: object,
    private readonly columns: readonly KernelColumn[],
    batchRows: number,
    /** Longest record that it takes. */
    readonly longest: number,
    crcTable: Int32Array,
  ) {
    this.rowCapacity = Math.min(batchRows, MAX_ROWS)
    this.layout = layOut(columns, this.rowCapacity)
    this.memory = new host.Memory({ initial: Math.ceil(this.layout.end / PAGE), maximum: MAX_MEMORY / PAGE })
    this.kernel = new host.Instance(module, { env: { memory: this.memory } }).exports as KernelExports
    new Int32Array(this.memory.buffer, CRC_TABLE, crcTable.length).set(crcTable)
    this.place()
  }

  /**
   * A kernel for columns, or `undefined` where there is none: without WebAssembly, for decimals (whose texts are checked one by
   * one), and for keys of more than 124 bytes.
   *
   * @param crcTable - the tables of slicing-by-16
   */
  static of(slots: readonly FeatureSlot[], defaults: ReadonlySet<string>, batchRows: number, maxRecordBytes: number, crcTable: Int32Array): ExampleKernel | undefined {
    if (slots.some((slot) => slot.value.kind === 'decimal' || slot.key.length > 124)) return undefined
    const found = compiledKernel(code)
    if (found === undefined) return undefined
    const key = JSON.stringify([slots.map(({ name, field }) => [name, field]), [...defaults], batchRows, maxRecordBytes])
    const at = idle.findIndex((other) => other.key === key)
    if (at >= 0) return idle.splice(at, 1)[0]!.kernel.again()
    const rows = Math.min(batchRows, MAX_ROWS)
    const columns = slots.map((slot) => ({
      slot,
      absentIsNull: slot.field.nullable && !defaults.has(slot.name),
      valueCapacity: slot.list ? rows * Math.min(slot.field.params.size ?? 4, 64) : 0,
      byteCapacity: slot.wire === BYTES ? rows * 16 : 0,
    }))
    if (layOut(columns, rows).end > MAX_MEMORY) return undefined
    return new ExampleKernel(key, found.host, found.module, columns, batchRows, Math.min(maxRecordBytes, LONGEST_RECORD), crcTable)
  }

  /** Gives its memory to the next kernel of the same columns; this one must not be used any more. */
  release(): void {
    if (this.isReleased || this.rows > 0 || this.memory.buffer.byteLength > LARGEST_IDLE) return
    this.isReleased = true
    idle.unshift({ key: this.key, kernel: this })
    idle.length = Math.min(idle.length, MOST_IDLE)
  }

  private again(): ExampleKernel {
    this.isReleased = false
    return this
  }

  /** True when no row fits any more. */
  get isFull(): boolean {
    return this.rows === this.rowCapacity
  }

  /** Copies `chunk[start..]` into the kernel, as much as it takes; returns the offset in the chunk after it. */
  load(chunk: Uint8Array, start: number): number {
    const end = Math.min(chunk.length, start + WINDOW_BYTES)
    this.window.set(chunk.subarray(start, end))
    return end
  }

  /**
   * Decodes frames of the loaded bytes.
   *
   * @param at - offset of the first frame from where the loaded bytes begin
   * @param end - offset of the loaded bytes' end
   * @returns the offset of the frame at which it stopped; {@link reason} says why
   */
  decode(at: number, end: number, rows: number, budget: number): number {
    const { window } = this.layout
    this.rows = this.kernel.decode(window + at, window + end, this.rows, Math.min(this.rowCapacity, this.rows + rows), budget)
    this.reason = this.kernel.stopReason()
    return this.kernel.position() - window
  }

  /** The rows as columns in buffers of their own; the kernel holds none then. */
  take<S extends Schema>(schema: S): Batch<S> {
    const { rows } = this
    const columns: { [name: string]: Column } = {}
    const values = this.columns.map(({ slot }, i) => columnValues(this.memory.buffer, this.layout, slot, i, rows))
    const copy = columnCopy(() => values.reduce((sum, slot) => sum + copiedBytes(slot, rows), 0))
    for (const [i, { slot }] of this.columns.entries()) columns[slot.name] = slotColumn(values[i]!, rows, copy)
    clearColumns(this.memory.buffer, this.layout, rows)
    this.rows = 0
    return makeBatch(schema, columns, rows)
  }

  /**
   * Makes room in the column that had none, while no rows are held. What was loaded is lost.
   *
   * @returns `false` when it may not become any larger
   */
  grow(): boolean {
    const column = this.columns[this.kernel.fullAt()]!
    const { valueCapacity, byteCapacity } = column
    column.valueCapacity *= 2
    column.byteCapacity *= 2
    const layout = layOut(this.columns, this.rowCapacity)
    if (layout.end > MAX_MEMORY) {
      column.valueCapacity = valueCapacity
      column.byteCapacity = byteCapacity
      return false
    }
    const more = Math.ceil(layout.end / PAGE) - this.memory.buffer.byteLength / PAGE
    if (more > 0) this.memory.grow(more)
    this.layout = layout
    this.place()
    return true
  }

  private place(): void {
    const { layout, memory, columns, kernel } = this
    describeColumns(memory.buffer, layout, columns, this.rowCapacity)
    kernel.configure(layout.columns, columns.length, layout.keys, layout.keyMask, layout.places, layout.placeCount, this.longest)
    this.window = new Uint8Array(memory.buffer, layout.window, WINDOW_BYTES)
  }
}
