import { clearBit, setBit } from '../columns/bitmap.js'
import { bitmapBytes, columnFrom, fixedColumn, type Column, type Values } from '../columns/index.js'
import type { FixedColumn } from '../columns/fixed-column.js'
import { fixedKinds } from '../columns/kinds.js'
import { ListColumn } from '../columns/list-column.js'
import type { Field } from '../schema/index.js'

/** A column of a fixed number of slots that are written over and over. */
export interface RingColumn {
  /** Writes rows `from` to `to` (exclusive) of a column to the slots from `slot` on; they must not reach past the last. */
  write(slot: number, column: Column, from: number, to: number): void
  /** The values in slots, in new buffers. */
  take(slots: Int32Array): Column
}

/** Numbers, dates and times, in one typed array. */
class FixedRing implements RingColumn {
  private readonly values: Values
  private readonly validity: Uint8Array | undefined

  constructor(
    private readonly field: Field,
    capacity: number,
  ) {
    this.values = new fixedKinds[field.kind]!.array(capacity)
    this.validity = field.nullable ? new Uint8Array(bitmapBytes(capacity)) : undefined
  }

  write(slot: number, column: Column, from: number, to: number): void {
    this.values.set((column as FixedColumn).values.subarray(from, to) as never, slot)
    if (this.validity === undefined) return
    for (let row = from; row < to; row++) {
      if (column.isValid(row)) setBit(this.validity, slot + row - from)
      else clearBit(this.validity, slot + row - from)
    }
  }

  take(slots: Int32Array): Column {
    return fixedColumn(this.field, this.values, this.validity).take(slots)
  }
}

/** Lists of one size of numbers that are never null: observations. */
class FixedListRing implements RingColumn {
  private readonly items: Values

  constructor(
    private readonly field: Field,
    private readonly size: number,
    capacity: number,
  ) {
    this.items = new fixedKinds[field.params.item!.kind]!.array(capacity * size)
  }

  write(slot: number, column: Column, from: number, to: number): void {
    const { offsets, items } = column as ListColumn
    this.items.set((items as FixedColumn).values.subarray(offsets[from]!, offsets[to]!) as never, slot * this.size)
  }

  take(slots: Int32Array): Column {
    const { size } = this
    const items = new fixedKinds[this.field.params.item!.kind]!.array(slots.length * size)
    const offsets = new Int32Array(slots.length + 1)
    slots.forEach((slot, row) => {
      items.set(this.items.subarray(slot * size, (slot + 1) * size) as never, row * size)
      offsets[row + 1] = (row + 1) * size
    })
    return new ListColumn(this.field, offsets, fixedColumn(this.field.params.item!, items), undefined)
  }
}

/** Everything else, value by value. */
class ValueRing implements RingColumn {
  private readonly values: unknown[] = []

  constructor(private readonly field: Field) {}

  write(slot: number, column: Column, from: number, to: number): void {
    // Bytes of a batch that was given may be written over by their owner.
    for (let row = from; row < to; row++) {
      const value = column.get(row)
      this.values[slot + row - from] = value instanceof Uint8Array ? value.slice() : value
    }
  }

  take(slots: Int32Array): Column {
    return columnFrom(this.field, Array.from(slots, (slot) => this.values[slot]))
  }
}

/** The ring of a field. */
export const ringColumn = (field: Field, capacity: number): RingColumn => {
  if (fixedKinds[field.kind] !== undefined) return new FixedRing(field, capacity)
  const { size, item } = field.params
  const plainItems = item !== undefined && !item.nullable && fixedKinds[item.kind] !== undefined
  return field.kind === 'list' && !field.nullable && size !== undefined && plainItems ? new FixedListRing(field, size, capacity) : new ValueRing(field)
}
