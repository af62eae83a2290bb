import { bitmapBytes } from '@millrace/core'
import { isVariable, type ColumnPlace, type KernelKind } from './kernel-columns.js'

/** What the kernel may touch after the end of anything: it loads and stores by 16 bytes. */
const SLACK = 64
const COLUMN_BYTES = 64
/** Below stay the globals' zeros. */
const FIRST = 1024

/** A column as the kernel is told of it. */
export interface KernelColumn {
  readonly kind: KernelKind
  /** Index of its field in a record. */
  readonly at: number
  /** Most bytes of texts. */
  byteCapacity: number
}

/** Sizes of all that has a place in the kernel's memory. */
export interface LayoutSizes {
  readonly columns: readonly KernelColumn[]
  /** Fields of a record. */
  readonly width: number
  readonly rows: number
  /** Bytes of the tables of powers. */
  readonly fives: number
  readonly tens: number
  /** Bytes of what a format's kernel looks things up in. */
  readonly table: number
  /** Bytes of text. */
  readonly window: number
}

/** Addresses of all that the kernel works on. What may grow comes last, the text at the very end. */
export interface KernelLayout {
  readonly fives: number
  readonly tens: number
  readonly table: number
  readonly fields: number
  readonly patterns: readonly number[]
  readonly descriptions: number
  /** Descriptions of the items of lists. */
  readonly items: number
  readonly starts: number
  readonly data: readonly ColumnPlace[]
  readonly window: number
  readonly end: number
}

/** Decides where everything stands. Whatever grows moves only what comes after it. */
export const layOut = ({ columns, width, rows, fives, tens, table, window }: LayoutSizes): KernelLayout => {
  let at = FIRST
  const place = (size: number): number => {
    const start = at
    // What is far too large must not wrap around.
    at = 16 * Math.ceil((at + size + SLACK) / 16)
    return start
  }
  return {
    fives: place(fives),
    tens: place(tens),
    table: place(table),
    fields: place(4 * width),
    patterns: columns.map(({ kind }) => place((kind.pattern ?? kind.item?.pattern)?.length ?? 0)),
    descriptions: place(COLUMN_BYTES * columns.length),
    items: place(COLUMN_BYTES * columns.length),
    starts: place(4 * rows),
    data: columns.map(({ kind, byteCapacity }) => ({
      values: place(kind.size * (rows + (isVariable(kind) ? 1 : 0))),
      validity: place(bitmapBytes(rows)),
      bytes: isVariable(kind) ? place(byteCapacity) : 0,
    })),
    window: place(window),
    end: at,
  }
}

/** Tells the kernel of its columns, and of which field each takes. */
export const describeColumns = (memory: ArrayBuffer, layout: KernelLayout, columns: readonly KernelColumn[], width: number): void => {
  const view = new DataView(memory)
  new Uint8Array(memory, layout.fields, 4 * width).fill(0)
  for (const [i, { kind, at, byteCapacity }] of columns.entries()) {
    const address = layout.descriptions + i * COLUMN_BYTES
    const { values, bytes, validity } = layout.data[i]!
    const field = layout.fields + 4 * at
    const items = layout.items + i * COLUMN_BYTES
    const pattern = kind.pattern ?? kind.item?.pattern
    const hasNulls = view.getInt32(hasNullsAt(layout, i), true)
    describe(view, address, kind, [values, bytes, byteCapacity, validity, hasNulls, kind.item === undefined ? view.getUint32(field, true) : items], layout.patterns[i]!)
    if (kind.item !== undefined) describe(view, items, kind.item, [bytes, 0, 0, 0, 0, 0], layout.patterns[i]!)
    view.setUint32(field, address, true)
    if (pattern !== undefined) new Uint8Array(memory).set(pattern, layout.patterns[i])
  }
}

const describe = (view: DataView, address: number, kind: KernelKind, place: readonly number[], patternAt: number): void => {
  for (const [word, value] of [kind.kind, kind.flags, ...place].entries()) view.setInt32(address + 4 * word, value, true)
  view.setBigInt64(address + 32, kind.least, true)
  view.setBigInt64(address + 40, kind.most, true)
  const { pattern } = kind
  for (const [word, value] of [kind.size, kind.scale, pattern === undefined ? 0 : patternAt, pattern?.length ?? 0].entries()) view.setInt32(address + 48 + 4 * word, value, true)
}

/** Address of the mark that a column holds nulls. */
export const hasNullsAt = (layout: KernelLayout, column: number): number => layout.descriptions + column * COLUMN_BYTES + 24

/** Index of the column whose description stands at an address. */
export const columnAt = (layout: KernelLayout, address: number): number => (address - layout.descriptions) / COLUMN_BYTES

/** Makes columns of no rows: all valid, and texts that begin at 0. */
export const clearColumns = (memory: ArrayBuffer, layout: KernelLayout, columns: readonly KernelColumn[], rows: number): void => {
  for (const [i, { kind }] of columns.entries()) {
    const { values, validity } = layout.data[i]!
    new Uint8Array(memory, validity, bitmapBytes(rows)).fill(255)
    if (isVariable(kind)) new Int32Array(memory, values, 1)[0] = 0
  }
}

/** Moves columns and text to where a layout that has grown has them. The last moves first, since nothing moves down. */
export const moveData = (memory: ArrayBuffer, from: KernelLayout, to: KernelLayout, columns: readonly KernelColumn[]): void => {
  const bytes = new Uint8Array(memory)
  const move = (start: number, end: number, target: number): void => {
    if (start !== target) bytes.copyWithin(target, start, end)
  }
  move(from.window, from.end, to.window)
  for (let i = columns.length - 1; i >= 0; i--) {
    const [before, after] = [from.data[i]!, to.data[i]!]
    const end = from.data[i + 1]?.values ?? from.window
    if (before.bytes !== 0) move(before.bytes, end, after.bytes)
    move(before.validity, before.bytes === 0 ? end : before.bytes, after.validity)
    move(before.values, before.validity, after.values)
  }
}
