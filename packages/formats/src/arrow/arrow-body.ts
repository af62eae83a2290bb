import { bitmapBytes, getBit } from '@millrace/core'
import type { Stored, StoredSlots } from '../values/index.js'
import { allOnes, both, gather, masked, MAX_VIEW_BYTES, MAX_VIEW_ITEMS, slots, tooLarge, tooManyItems, type ArrowStored } from './arrow-stored.js'
import type { ArrowField } from './arrow-type.js'
import { fixedValues, indexValues, MAX_EMPTY_ROWS, multiples, typed } from './arrow-values.js'
import type { FlatTable } from './flat-table.js'

/** Inflates one buffer to `length` bytes. */
export type Inflate = (input: Uint8Array, length: number) => Uint8Array

/** Rows of a record batch beyond this are damage. */
const MAX_ROWS = 2 ** 31 - 2
/** One buffer inflates to this at most: it would be allocated before it is known to be sound. */
const MAX_BUFFER_BYTES = 2 ** 31 - 1
/** Bytes of a text that stands in its view. */
const INLINE = 12

/** The values that dictionaries have so far, by their ids. */
export type Dictionaries = ReadonlyMap<bigint, StoredSlots>

const toInt32 = (offsets: BigInt64Array): Int32Array => {
  const last = offsets.at(-1) ?? 0n
  if (last > 2147483647n) throw tooLarge(`${last} bytes or items`, 'one may hold 2³¹ of them a column')
  // Others are beyond the last, and so refused afterwards.
  return Int32Array.from(offsets, (value) => (value >= 0n && value <= last ? Number(value) : -1))
}

/**
 * Takes the columns of a record batch out of its body, in order. Nothing is copied where the layout is ours, and every offset, length
 * and index is checked.
 *
 * @throws errors that say what does not add up
 * @see https://arrow.apache.org/docs/format/Columnar.html
 */
export class ArrowBody {
  /** Rows of the batch. */
  readonly rows: number
  private readonly nodes: Float64Array
  private readonly buffers: Float64Array
  private readonly variadic: Float64Array
  private node = 0
  private buffer = 0
  private views = 0

  constructor(
    batch: FlatTable,
    private readonly body: Uint8Array,
    private readonly inflate: Inflate | undefined,
    private readonly dictionaries: Dictionaries,
    /** Which fields of structs are needed. Default: all. */
    private readonly needs: (field: ArrowField) => boolean = () => true,
  ) {
    this.rows = batch.count(0)
    if (this.rows > MAX_ROWS) throw new Error(`a record batch says that it has ${this.rows} rows`)
    this.nodes = batch.counts(1, 2)
    this.buffers = batch.counts(2, 2)
    this.variadic = batch.counts(4, 1)
  }

  /** The next column, which has to have the rows of the batch. */
  column(field: ArrowField): ArrowStored {
    return this.read(field, this.rows, undefined)
  }

  /** Passes over the next column, or field of a struct. */
  skip(field: ArrowField, due = this.rows): void {
    const length = this.nodes[2 * this.node]
    if (length !== due) throw new Error(`a column has ${length ?? 'no'} values where ${due} are due`)
    this.pass(field)
  }

  /** Passes over a column, or over what it consists of. Columns of nulls and of runs have no buffers of their own. */
  private pass(field: ArrowField): void {
    this.node++
    const layout = field.dictionary === undefined ? field.layout.as : 'fixed'
    if (layout === 'fixed-list' || layout === 'struct') this.buffer += 1
    else if (layout === 'fixed' || layout === 'bits' || layout === 'list') this.buffer += 2
    else if (layout === 'bytes' || layout === 'list-view') this.buffer += 3
    else if (layout === 'view') this.buffer += 2 + (this.variadic[this.views++] ?? 0)
    else if (field.layout.as === 'union') this.buffer += field.layout.dense ? 2 : 1
    if (field.dictionary === undefined) for (const child of field.children) this.pass(child)
  }

  /** @param above - which slots are not null already by a struct that they are in */
  private read(field: ArrowField, due: number | undefined, above: Uint8Array | undefined): ArrowStored {
    if (field.dictionary === undefined && field.layout.as === 'null') return this.nothing(due)
    if (field.dictionary === undefined && field.layout.as === 'run-end') return masked(this.runs(field, due), above)
    const length = this.nodes[2 * this.node]
    const nulls = this.nodes[2 * this.node + 1]
    this.node++
    if (length === undefined || nulls === undefined) throw new Error('a record batch describes fewer columns than it has')
    if (length > MAX_ROWS || nulls > length || (due !== undefined && length !== due)) throw new Error(`a column has ${length} values of which ${nulls} are null, where ${due ?? 'others'} are due`)
    const validity = both(this.validity(length, nulls), above)
    if (field.dictionary !== undefined) return this.indices(field, length, validity)
    switch (field.layout.as) {
      case 'bits': {
        const bits = this.take(bitmapBytes(length))
        const values = new Uint8Array(length)
        for (let slot = 0; slot < length; slot++) if (getBit(bits, slot)) values[slot] = 1
        return slots(length, validity, { is: 'bits', length, values })
      }
      case 'fixed':
        return slots(length, validity, fixedValues(field, this.take(length * field.layout.bytes), length, field.layout.bytes, validity))
      case 'bytes': {
        const offsets = this.offsets(length, field.layout.large)
        return slots(length, validity, { is: 'bytes', length, offsets, bytes: this.take(offsets[length]!).subarray(0, offsets[length]) })
      }
      case 'view':
        return slots(length, validity, this.viewed(length, validity))
      case 'list': {
        const offsets = this.offsets(length, field.layout.large)
        return this.lists(field, length, offsets, validity)
      }
      case 'fixed-list':
        return this.fixedLists(field, length, validity)
      case 'list-view':
        return this.viewedLists(field, length, field.layout.large, validity)
      case 'struct':
        return { is: 'struct', slots: length, children: field.children.map((child) => this.member(child, length, validity)) }
      default:
        throw new Error(`columns of the type ${field.type.name} are not read`)
    }
  }

  /** A field of a struct, where it is needed. */
  private member(field: ArrowField, length: number, validity: Uint8Array | undefined): ArrowStored | undefined {
    if (this.needs(field)) return this.read(field, length, validity)
    this.skip(field, length)
    return undefined
  }

  /** A column of the type Null, which has no buffers. */
  private nothing(due: number | undefined): ArrowStored {
    const length = this.nodes[2 * this.node]
    this.node++
    if (length === undefined || length > MAX_EMPTY_ROWS || (due !== undefined && length !== due)) throw new Error(`a column has ${length ?? 'no'} nulls where ${due ?? `at most ${MAX_EMPTY_ROWS}`} are due`)
    return slots(length, new Uint8Array(bitmapBytes(length)), { is: 'bits', length, values: new Uint8Array(length) })
  }

  private lists(field: ArrowField, length: number, offsets: Int32Array, validity: Uint8Array | undefined): ArrowStored {
    const items = this.read(field.children[0]!, undefined, undefined)
    if (items.slots < offsets[length]!) throw new Error(`lists refer to ${offsets[length]} items, and there are ${items.slots}`)
    return { is: 'lists', slots: length, offsets, validity, items }
  }

  private fixedLists({ size, children: [item] }: ArrowField, length: number, validity: Uint8Array | undefined): ArrowStored {
    const items = this.read(item!, undefined, undefined)
    if (items.slots < length * size) throw new Error(`lists refer to ${length * size} items, and there are ${items.slots}`)
    return { is: 'lists', slots: length, offsets: multiples(length, size), validity, items }
  }

  private viewedLists(field: ArrowField, length: number, large: boolean, validity: Uint8Array | undefined): ArrowStored {
    const width = large ? 8 : 4
    const starts = indexValues(this.take(length * width), length, width, true)
    const sizes = indexValues(this.take(length * width), length, width, true)
    const items = this.read(field.children[0]!, undefined, undefined)
    const offsets = new Int32Array(length + 1)
    let isInOrder = true
    for (let row = 0; row < length; row++) {
      const before = offsets[row]!
      const size = validity === undefined || getBit(validity, row) ? Number(sizes[row]) : 0
      const start = size === 0 ? before : Number(starts[row])
      if (size !== 0 && !(size > 0 && start >= 0 && start + size <= items.slots)) throw new Error(`a list refers to items ${start} to ${start + size}, and there are ${items.slots}`)
      if (before + size > MAX_VIEW_ITEMS) throw tooManyItems()
      isInOrder &&= start === before
      offsets[row + 1] = before + size
    }
    if (isInOrder) return { is: 'lists', slots: length, offsets, validity, items }
    const picks = new Int32Array(offsets[length]!)
    for (let row = 0; row < length; row++) for (let at = offsets[row]!, item = Number(starts[row]); at < offsets[row + 1]!; at++, item++) picks[at] = item
    return { is: 'lists', slots: length, offsets, validity, items: gather(items, picks) }
  }

  /** Values of runs, which have no bitmap of their own: each slot as its run. */
  private runs({ children: [endsField, valuesField] }: ArrowField, due: number | undefined): ArrowStored {
    const length = this.nodes[2 * this.node]
    this.node++
    if (length === undefined || length > MAX_EMPTY_ROWS || (due !== undefined && length !== due)) throw new Error(`a column of runs has ${length ?? 'no'} values where ${due ?? `at most ${MAX_EMPTY_ROWS}`} are due`)
    const ends = this.read(endsField!, undefined, undefined)
    if (ends.is !== 'slots' || ends.stored.is !== 'numbers' || ends.validity !== undefined) throw new Error('the ends of runs are no numbers')
    const values = this.read(valuesField!, ends.slots, undefined)
    const runOf = new Int32Array(length)
    let slot = 0
    for (let run = 0; run < ends.slots && slot < length; run++) {
      const end = Math.min(length, Number(ends.stored.values[run]))
      if (!(end > slot)) throw new Error('the ends of runs go back')
      runOf.fill(run, slot, end)
      slot = end
    }
    if (slot < length) throw new Error(`runs end at ${slot} of ${length} values`)
    return gather(values, runOf)
  }

  /** The next buffer, inflated where it is packed. @param least - bytes that are needed of it */
  private take(least: number): Uint8Array {
    const offset = this.buffers[2 * this.buffer]
    const length = this.buffers[2 * this.buffer + 1]
    this.buffer++
    if (offset === undefined || length === undefined) throw new Error('a record batch describes fewer buffers than it has')
    if (offset + length > this.body.length) throw new Error(`a buffer reaches to byte ${offset + length} of a body of ${this.body.length}`)
    const bytes = this.plain(this.body.subarray(offset, offset + length))
    if (bytes.length < least) throw new Error(`a buffer has ${bytes.length} bytes where ${least} are due`)
    return bytes
  }

  private plain(bytes: Uint8Array): Uint8Array {
    if (this.inflate === undefined || bytes.length === 0) return bytes
    if (bytes.length < 8) throw new Error('a packed buffer does not say its length')
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0, true))
    const packed = bytes.subarray(8)
    if (length === -1) return packed
    if (!(length >= 0 && length <= MAX_BUFFER_BYTES)) throw new Error(`a packed buffer says that it has ${length} bytes`)
    if (length === 0) return new Uint8Array(0)
    const plain = this.inflate(packed, length)
    if (plain.length !== length) throw new Error(`a buffer inflates to ${plain.length} bytes where ${length} are due`)
    return plain
  }

  private validity(length: number, nulls: number): Uint8Array | undefined {
    const bits = this.take(0)
    if (nulls === 0 || length === 0) return undefined
    const size = bitmapBytes(length)
    if (bits.length < size) throw new Error(`a column has nulls, and a bitmap of ${bits.length} bytes for ${length} values`)
    return bits.subarray(0, size)
  }

  private offsets(length: number, large: boolean): Int32Array {
    const bytes = this.take(length === 0 ? 0 : (length + 1) * (large ? 8 : 4))
    if (length === 0) return new Int32Array(1)
    const offsets = large ? toInt32(typed(BigInt64Array, bytes, length + 1)) : typed(Int32Array, bytes, length + 1)
    let before = offsets[0]!
    if (before < 0) throw new Error('offsets begin below 0')
    for (let i = 1; i <= length; i++) {
      const offset = offsets[i]!
      if (offset < before) throw new Error('offsets go back')
      before = offset
    }
    return offsets
  }

  private viewed(length: number, validity: Uint8Array | undefined): Stored {
    const bytes = this.take(length * 16)
    const views = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const count = this.variadic[this.views++]
    if (count === undefined || this.buffer + count > this.buffers.length / 2) throw new Error('a record batch describes fewer buffers than it has')
    const parts = Array.from({ length: count }, () => this.take(0))
    const offsets = new Int32Array(length + 1)
    let total = 0
    for (let slot = 0; slot < length; slot++) {
      const size = validity === undefined || getBit(validity, slot) ? views.getInt32(16 * slot, true) : 0
      if (size < 0 || (total += size) > MAX_VIEW_BYTES) throw new Error(`the texts of a column have more than ${MAX_VIEW_BYTES} bytes, or fewer than 0`)
      offsets[slot + 1] = total
    }
    const out = new Uint8Array(total)
    for (let slot = 0; slot < length; slot++) {
      const size = offsets[slot + 1]! - offsets[slot]!
      if (size === 0) continue
      const at = size <= INLINE ? 16 * slot + 4 : views.getInt32(16 * slot + 12, true)
      const from = size <= INLINE ? bytes : parts[views.getInt32(16 * slot + 8, true)]
      if (from === undefined || at < 0 || at + size > from.length) throw new Error('a text reaches beyond its buffer')
      out.set(from.subarray(at, at + size), offsets[slot])
    }
    return { is: 'bytes', length, offsets, bytes: out }
  }

  private indices({ dictionary }: ArrowField, length: number, validity: Uint8Array | undefined): ArrowStored {
    const { id, indexBytes, indexSigned } = dictionary!
    const bytes = this.take(length * indexBytes)
    const held = this.dictionaries.get(id)
    if (held === undefined) throw new Error(`there is no dictionary ${id}`)
    const raw = indexValues(bytes, length, indexBytes, indexSigned)
    const indices = raw instanceof Int32Array && validity === undefined ? raw : Int32Array.from(raw as ArrayLike<number>, Number)
    let nulls = validity
    for (let slot = 0; slot < length; slot++) {
      if (validity !== undefined && !getBit(validity, slot)) {
        indices[slot] = 0
        continue
      }
      const index = Number(raw[slot])
      if (!(index >= 0 && index < held.slots)) throw new Error(`a value refers to entry ${index} of a dictionary of ${held.slots}`)
      if (held.validity === undefined || getBit(held.validity, index)) continue
      // An entry that is null makes the rows null that refer to it.
      if (nulls === undefined || nulls === validity) nulls = validity?.slice() ?? allOnes(length)
      nulls[slot >> 3]! &= ~(1 << (slot & 7))
    }
    return { is: 'slots', slots: length, stored: held.stored, validity: nulls, indices }
  }
}
