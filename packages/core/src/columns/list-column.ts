import type { Field } from '../schema/index.js'
import { BaseColumn, type Column } from './column.js'
import { countNulls, sliceValidity, takeValidity } from './validity.js'

/** Lists: row `i` holds items `offsets[i]` to `offsets[i + 1]` of `items`. */
export class ListColumn<T = readonly unknown[], Item = unknown> extends BaseColumn<T> {
  readonly length: number
  readonly nullCount: number

  constructor(
    field: Field<T>,
    /** `length + 1` offsets into `items`; the first need not be 0. */
    readonly offsets: Int32Array,
    readonly items: Column<Item>,
    validity: Uint8Array | undefined,
  ) {
    super(field, validity)
    this.length = offsets.length - 1
    this.nullCount = countNulls(validity, this.length)
  }

  protected value(row: number): T {
    const out: Item[] = []
    for (let i = this.offsets[row]!; i < this.offsets[row + 1]!; i++) out.push(this.items.get(i))
    return out as T
  }

  slice(start: number, end: number): ListColumn<T, Item> {
    return new ListColumn(this.field, this.offsets.subarray(start, end + 1), this.items, sliceValidity(this.validity, start, end))
  }

  take(indices: Int32Array): ListColumn<T, Item> {
    const offsets = new Int32Array(indices.length + 1)
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i]!
      offsets[i + 1] = offsets[i]! + (index < 0 ? 0 : this.offsets[index + 1]! - this.offsets[index]!)
    }
    const picked = new Int32Array(offsets[indices.length]!)
    for (let i = 0; i < indices.length; i++) {
      const start = indices[i]! < 0 ? 0 : this.offsets[indices[i]!]!
      for (let at = offsets[i]!, from = start; at < offsets[i + 1]!; at++, from++) picked[at] = from
    }
    return new ListColumn(this.field, offsets, this.items.take(picked), takeValidity(this.validity, indices))
  }
}
