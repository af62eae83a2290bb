import { bitmapBytes, type Column, type Field } from '@millrace/core'
import { powersOfFive, powersOfTen } from './float-tables.js'
import { isVariable, putValue, takeColumn, textBytes, type KernelKind } from './kernel-columns.js'
import { compiledKernel, PAGE, type WebAssemblyMemory } from './kernel-host.js'
import { clearColumns, columnAt, describeColumns, hasNullsAt, layOut, moveData, type KernelColumn, type KernelLayout } from './kernel-layout.js'

const FIRST_WINDOW = 64 * 1024
/** Most memory of one kernel; columns for which that is not enough end their batch early. */
const MAX_MEMORY = 512 * 1024 * 1024
/** Most bytes that are set aside for a column's texts because of how long the first of them are. */
const LIKELY_BYTES = 16 * 1024 * 1024
/** Most memory that is set aside for the rows of a batch at first. */
const FIRST_MEMORY = 128 * 1024 * 1024
/** Most memory with which several columns grow at once. */
const GROWN_MEMORY = 256 * 1024 * 1024

/** What every kernel exports; each has `configure` and `run` besides. */
export interface KernelExports {
  position(): number
  stopReason(): number
  fullAt(): number
  countLines(at: number, end: number, last: number): number
}

// Why the kernel stopped.
export const MORE = 0
export const ODD = 1
export const FULL = 2

/** A kernel's instance and the memory that it works on. */
interface KernelInstance {
  readonly code: string
  readonly memory: WebAssemblyMemory
  readonly exports: object
}

/** Instances that were released: memory that is in use already is much faster than fresh memory, and files come one after another. */
const idle: KernelInstance[] = []
const MOST_IDLE = 2
const LARGEST_IDLE = 64 * 1024 * 1024

const takeInstance = (code: string): KernelInstance => {
  const at = idle.findIndex((instance) => instance.code === code)
  if (at >= 0) return idle.splice(at, 1)[0]!
  const { host, module } = compiledKernel(code)!
  const memory = new host.Memory({ initial: 4, maximum: MAX_MEMORY / PAGE })
  return { code, memory, exports: new host.Instance(module, { env: { memory } }).exports }
}

/** True where a kernel runs. */
export const hasKernel = (code: string): boolean => compiledKernel(code) !== undefined

/** A column that the kernel fills. */
export interface KernelColumnPlan {
  readonly field: Field
  readonly kind: KernelKind
  /** Index of its field in a record. */
  readonly at: number
}

/** Texts as the kernel holds them. */
export interface KernelTexts {
  readonly offsets: Int32Array
  readonly bytes: Uint8Array
  readonly validity: Uint8Array
}

/** What a kernel is made of. */
export interface KernelParts {
  /** WebAssembly in base64. */
  readonly code: string
  /** Most rows of a batch. */
  readonly batchRows: number
  /** What a format's kernel looks things up in. */
  readonly table: Uint8Array
}

/**
 * A WebAssembly kernel (assembly/) with its memory, which holds the text under way and the rows that are to become a batch. Offsets
 * of text are counted from its first byte held. Subclasses run it.
 */
export abstract class ColumnKernel<Exports extends KernelExports> {
  /** Bytes of text held. */
  size = 0
  /** Rows held. */
  rows = 0
  /** Most rows. */
  capacity = 0
  /** Why it stopped. */
  reason = MORE

  protected readonly kernel: Exports
  protected layout: KernelLayout
  protected width = 0
  private instance: KernelInstance | undefined
  private readonly memory: WebAssemblyMemory
  private plans: readonly KernelColumnPlan[] = []
  private columns: readonly KernelColumn[] = []
  private windowCapacity = FIRST_WINDOW

  /** @throws when there is no kernel: see {@link hasKernel} */
  constructor(private readonly parts: KernelParts) {
    this.instance = takeInstance(parts.code)
    this.memory = this.instance.memory
    this.kernel = this.instance.exports as Exports
    this.layout = this.laidOut(this.windowCapacity)
    const { layout } = this
    this.reserve(layout)
    const bytes = new Uint8Array(this.memory.buffer)
    bytes.fill(0, 0, layout.window)
    bytes.set(new Uint8Array(powersOfFive().buffer), layout.fives)
    bytes.set(powersOfTen(), layout.tens)
    bytes.set(parts.table, layout.table)
  }

  /** Tells the kernel where everything stands. */
  protected abstract configure(layout: KernelLayout): void

  /** Bytes `start` to `end` of the text, as a view that holds until text or columns are added. */
  view(start: number, end: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, this.layout.window + start, end - start)
  }

  /** Line ends in bytes `start` to `end`, where `last` is the byte before. */
  countLines(start: number, end: number, last: number): number {
    return this.kernel.countLines(this.layout.window + start, this.layout.window + end, last)
  }

  /** Adds text, after `gone` bytes at its beginning are forgotten. @throws RangeError where there is no memory for it */
  append(chunk: Uint8Array, gone: number): void {
    const left = this.size - gone
    const all = new Uint8Array(this.memory.buffer)
    if (gone > 0) all.copyWithin(this.layout.window, this.layout.window + gone, this.layout.window + this.size)
    this.size = left
    if (left + chunk.length > this.windowCapacity) {
      const capacity = Math.max(left + chunk.length, 2 * this.windowCapacity)
      this.relocate(this.laidOut(capacity))
      this.windowCapacity = capacity
    }
    new Uint8Array(this.memory.buffer).set(chunk, this.layout.window + left)
    this.size = left + chunk.length
  }

  /** Takes the columns, of records of `width` fields. @returns `false` when they are too many for its memory */
  begin(plans: readonly KernelColumnPlan[], width: number): boolean {
    let rows = this.parts.batchRows
    const columnsOf = (): KernelColumn[] => plans.map(({ kind, at }) => ({ kind, at, byteCapacity: isVariable(kind) ? Math.max(4096, rows * 16) : 0 }))
    const before = this.layout
    const layoutOf = (): KernelLayout => this.laidOut(this.windowCapacity, columnsOf(), width, rows)
    while (rows > 1 && layoutOf().end > FIRST_MEMORY) rows >>= 1
    const layout = layoutOf()
    if (layout.end > FIRST_MEMORY) return false
    this.plans = plans
    this.columns = columnsOf()
    this.width = width
    this.capacity = rows
    this.reserve(layout)
    moveData(this.memory.buffer, before, layout, [])
    // What stood there was text.
    new Uint8Array(this.memory.buffer).fill(0, layout.fields, layout.starts)
    this.layout = layout
    clearColumns(this.memory.buffer, layout, this.columns, rows)
    this.tell()
    return true
  }

  /** Takes what the kernel says of its run, which ended at row `rows`. @returns the offset at which it stopped */
  protected ran(rows: number): number {
    this.rows = rows
    this.reason = this.kernel.stopReason()
    return this.kernel.position() - this.layout.window
  }

  /** Offset of the record of a row that the last run read. */
  startOf(row: number): number {
    return new Uint32Array(this.memory.buffer, this.layout.starts, row + 1)[row]! - this.layout.window
  }

  /**
   * Makes room in the column that had none, and in those that are nearly full as well: all that stands behind a column that grows is moved, and of
   * ten thousand columns one after the other would take minutes.
   *
   * @returns `false` when there is no memory for it
   */
  grow(): boolean {
    const full = columnAt(this.layout, this.kernel.fullAt())
    const alike = this.columns.flatMap((column, i) => (i === full || (isVariable(column.kind) && 2 * this.usedBytes(i) > column.byteCapacity) ? [i] : []))
    if (alike.length === 1) return this.enlarge([full], (i) => this.likelyBytes(i))
    return this.enlarge(alike, (i) => this.likelyBytes(i), GROWN_MEMORY) || (this.rows === 0 && this.enlarge([full], (i) => 2 * this.columns[i]!.byteCapacity))
  }

  /** Makes room for a text of so many bytes in each column. @returns `false` when there is no memory for it */
  makeRoom(bytes: (column: number) => number): boolean {
    const short = this.columns.flatMap((column, i) => (isVariable(column.kind) && column.byteCapacity - this.usedBytes(i) < bytes(i) ? [i] : []))
    const least = (i: number): number => this.columns[i]!.byteCapacity + bytes(i)
    return short.length === 0 || this.enlarge(short, (i) => this.likelyBytes(i) + bytes(i), GROWN_MEMORY) || this.enlarge(short, least)
  }

  /** The texts of column `i`, with `rows + 1` offsets; good until anything is added. */
  texts(i: number): KernelTexts {
    const { values, bytes, validity } = this.layout.data[i]!
    const { buffer } = this.memory
    const offsets = new Int32Array(buffer, values, this.rows + 1)
    return { offsets, bytes: new Uint8Array(buffer, bytes, offsets[this.rows]), validity: new Uint8Array(buffer, validity, bitmapBytes(this.rows)) }
  }

  /** Forgets the rows from `rows` on. */
  truncate(rows: number): void {
    for (let row = rows; row < this.rows; row++) {
      for (const { validity } of this.layout.data) new Uint8Array(this.memory.buffer, validity + (row >> 3), 1)[0]! |= 1 << (row & 7)
    }
    this.rows = rows
  }

  /**
   * Appends a row of columns of one value each; `undefined` stands for an empty text. There must be room for their texts.
   */
  put(columns: readonly (Column | undefined)[]): void {
    const { buffer } = this.memory
    for (const [i, column] of columns.entries()) {
      const place = this.layout.data[i]!
      const { kind } = this.columns[i]!
      if (isVariable(kind)) {
        const used = this.usedBytes(i)
        const text = column?.isValid(0) === true ? textBytes(column) : undefined
        if (text !== undefined) new Uint8Array(buffer).set(text, place.bytes + used)
        new Int32Array(buffer, place.values, this.rows + 2)[this.rows + 1] = used + (text?.length ?? 0)
      } else putValue(buffer, kind, place, this.rows, column!)
      if (column === undefined || column.isValid(0)) continue
      new Uint8Array(buffer, place.validity + (this.rows >> 3), 1)[0]! &= ~(1 << (this.rows & 7))
      new Int32Array(buffer, hasNullsAt(this.layout, i), 1)[0] = 1
    }
    this.rows++
  }

  /** Column `i` of the rows held, in buffers of its own. */
  column(i: number): Column {
    const { field, kind } = this.plans[i]!
    const hasNulls = new Int32Array(this.memory.buffer, hasNullsAt(this.layout, i), 1)[0] !== 0
    return takeColumn(this.memory.buffer, field, kind, this.layout.data[i]!, this.rows, hasNulls)
  }

  /** Forgets all rows. */
  clear(): void {
    clearColumns(this.memory.buffer, this.layout, this.columns, this.rows)
    for (let i = 0; i < this.columns.length; i++) new Int32Array(this.memory.buffer, hasNullsAt(this.layout, i), 1)[0] = 0
    this.rows = 0
  }

  /** Gives its memory to the next kernel; this one must not be used any more. */
  release(): void {
    if (this.instance !== undefined && idle.length < MOST_IDLE && this.memory.buffer.byteLength <= LARGEST_IDLE) idle.push(this.instance)
    this.instance = undefined
  }

  private usedBytes(i: number): number {
    return new Int32Array(this.memory.buffer, this.layout.data[i]!.values, this.rows + 1)[this.rows]!
  }

  private laidOut(window: number, columns = this.columns, width = this.width, rows = this.capacity): KernelLayout {
    return layOut({ columns, width, rows, window, fives: powersOfFive().byteLength, tens: powersOfTen().length, table: this.parts.table.length })
  }

  /** Bytes that all rows will take in a column, if they go on like those that are there; twice what it has at least. */
  private likelyBytes(i: number): number {
    const { byteCapacity } = this.columns[i]!
    return Math.ceil(Math.max(2 * byteCapacity, Math.min((1.1 * byteCapacity * this.capacity) / (this.rows + 1), LIKELY_BYTES)))
  }

  /** Gives columns room for so many bytes each, as long as all of them take no more than `most`. */
  private enlarge(indices: readonly number[], bytes: (column: number) => number, most = Infinity): boolean {
    const before = indices.map((i) => this.columns[i]!.byteCapacity)
    const wanted = indices.map(bytes)
    for (const [at, i] of indices.entries()) this.columns[i]!.byteCapacity = wanted[at]!
    try {
      const layout = this.laidOut(this.windowCapacity)
      if (layout.end <= most) {
        this.relocate(layout)
        return true
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
    }
    for (const [at, i] of indices.entries()) this.columns[i]!.byteCapacity = before[at]!
    return false
  }

  private relocate(layout: KernelLayout): void {
    this.reserve(layout)
    moveData(this.memory.buffer, this.layout, layout, this.columns)
    this.layout = layout
    if (this.columns.length > 0) this.tell()
  }

  private reserve({ end }: KernelLayout): void {
    const more = Math.ceil(end / PAGE) - this.memory.buffer.byteLength / PAGE
    if (more > 0) this.memory.grow(more)
  }

  private tell(): void {
    describeColumns(this.memory.buffer, this.layout, this.columns, this.width)
    this.configure(this.layout)
  }
}
