import { throwIfAborted } from '@millrace/core'
import { crc32c } from '@millrace/formats'
import { allocate, dtypeBytes, elementsOverBytes, type NumericData } from '../tensor/dtypes.js'
import { sizeOf } from '../tensor/host-tensor.js'
import { corruptEntry, type CheckpointEntry, type StoredSlice } from './checkpoint-index.js'
import type { DataFiles } from './data-files.js'
import { modRows, modStart } from './mod-layout.js'

/** A slice that is read from its first row to its last, or here and there. */
class SliceReader {
  readonly slice: StoredSlice
  readonly #entry: CheckpointEntry
  readonly #files: DataFiles
  /** The row that the checksum has come to; rows read out of order leave it where it is. */
  #row = 0
  #crc = 0

  constructor(entry: CheckpointEntry, slice: StoredSlice, files: DataFiles) {
    this.#entry = entry
    this.slice = slice
    this.#files = files
  }

  /** Rows of the slice. When the last row of all has been read in order, its checksum is compared. */
  async rows(from: number, to: number, signal: AbortSignal | undefined): Promise<NumericData> {
    const { name, dtype } = this.#entry
    const rowBytes = sizeOf(this.slice.shape.slice(1)) * (dtypeBytes(dtype) as number)
    const bytes = await this.#files.read(name, this.slice, from * rowBytes, to * rowBytes, signal)
    if (from === this.#row) {
      this.#crc = crc32c(bytes, 0, bytes.length, this.#crc)
      this.#row = to
      if (to === (this.slice.shape[0] ?? 1) && this.#crc !== this.slice.crc) throw corruptEntry(name, 'its checksum does not match', this.#files.url(this.slice.shard))
    }
    return elementsOverBytes(dtype, bytes)
  }
}

/** Copies a box into a larger one, innermost runs at a time. */
const copyBox = (to: NumericData, toShape: readonly number[], from: NumericData, shape: readonly number[], starts: readonly number[]): void => {
  const run = shape[shape.length - 1] ?? 1
  if (run === 0) return
  const strides = toShape.map((_, axis) => sizeOf(toShape.slice(axis + 1)))
  const index = shape.map(() => 0)
  for (let read = 0; read < from.length; read += run) {
    const write = index.reduce((sum, at, axis) => sum + (at + starts[axis]!) * strides[axis]!, 0)
    ;(to as Float32Array).set((from as Float32Array).subarray(read, read + run), write)
    for (let axis = index.length - 2; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) break
      index[axis] = 0
    }
  }
}

/** Reads ranges of rows of one numeric tensor, of rank 1 or more, whatever slices it is stored in. */
export class RowReader {
  readonly #entry: CheckpointEntry
  readonly #slices: readonly SliceReader[]

  constructor(entry: CheckpointEntry, slices: readonly StoredSlice[], files: DataFiles) {
    this.#entry = entry
    this.#slices = slices.map((slice) => new SliceReader(entry, slice, files))
  }

  /**
   * Rows `start` to `end` in the order of their ids. Slices that are read in order have their checksums verified at their ends.
   *
   * @returns the elements, row-major
   */
  async rows(start: number, end: number, signal: AbortSignal | undefined): Promise<NumericData> {
    const { modParts: parts, dtype, shape } = this.#entry
    if (parts === undefined) return this.#stored(start, end, signal)
    const rows = shape[0] as number
    const width = sizeOf(shape.slice(1))
    const ordered = allocate(dtype, (end - start) * width) as Float32Array
    for (let part = 0; part < parts; part++) {
      const [first, after] = [modRows(start, part, parts), modRows(end, part, parts)]
      if (first === after) continue
      const base = modStart(rows, part, parts)
      const values = (await this.#stored(base + first, base + after, signal)) as Float32Array
      for (let row = first; row < after; row++) ordered.set(values.subarray((row - first) * width, (row - first + 1) * width), (part + row * parts - start) * width)
    }
    return ordered
  }

  /** Rows as they lie in the checkpoint. */
  async #stored(start: number, end: number, signal: AbortSignal | undefined): Promise<NumericData> {
    const { dtype, shape } = this.#entry
    const block = [end - start, ...shape.slice(1)]
    let whole: NumericData | undefined
    for (const reader of this.#slices) {
      throwIfAborted(signal)
      const [first = 0, ...starts] = reader.slice.start
      const [count = 1, ...sizes] = reader.slice.shape
      const [from, to] = [Math.max(start, first), Math.min(end, first + count)]
      if (from >= to) continue
      const values = await reader.rows(from - first, to - first, signal)
      if (values.length === sizeOf(block)) return values
      whole ??= allocate(dtype, sizeOf(block))
      copyBox(whole, block, values, [to - from, ...sizes], [from - start, ...starts])
    }
    return whole ?? allocate(dtype, sizeOf(block))
  }
}
