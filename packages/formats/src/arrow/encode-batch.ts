import { BoolColumn, bitmapBytes, BytesColumn, DecimalColumn, DictionaryColumn, failure, FixedColumn, ListColumn, makeBuilder, type Column, type ColumnBuilder } from '@millrace/core'
import { DictionaryIds } from './encode-schema.js'
import type { FlatFields } from './flat-writer.js'

/** Packs one buffer. */
export type Deflate = (input: Uint8Array) => Uint8Array

/** How bodies are packed: the number of the codec, and the codec. */
export interface BodyCodec {
  readonly number: number
  readonly deflate: Deflate
}

/** Entries that a dictionary got since the last batch. */
export interface DictionaryGrowth {
  readonly id: number
  readonly isDelta: boolean
  readonly entries: Column
}

/**
 * The dictionaries of a file as they grow: each batch of a stream may bring its own, and a file has one of each column, which can
 * only be added to. Holds every entry once.
 */
export class GrowingDictionaries {
  private readonly held = new Map<number, { readonly places: Map<unknown, number>; readonly grown: ColumnBuilder; began: boolean }>()

  /** Indices of the column's rows into the file's dictionary. */
  indices(id: number, column: DictionaryColumn): Int32Array {
    const { dictionary } = column
    let own = this.held.get(id)
    if (own === undefined) this.held.set(id, (own = { places: new Map(), grown: makeBuilder({ ...dictionary.field, nullable: true }), began: false }))
    const moved = new Int32Array(dictionary.length)
    for (let entry = 0; entry < dictionary.length; entry++) {
      const value = dictionary.get(entry)
      const key = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value instanceof Date ? value.getTime() : value
      let place = own.places.get(key)
      if (place === undefined) {
        own.places.set(key, (place = own.places.size))
        own.grown.append(value)
      }
      moved[entry] = place
    }
    return column.indices.map((index, row) => (column.isValid(row) ? moved[index]! : 0))
  }

  /** What is new since the last call. Readers want each dictionary before the first batch, also an empty one. */
  take(): readonly DictionaryGrowth[] {
    return [...this.held].flatMap(([id, own]): DictionaryGrowth[] => {
      if (own.began && own.grown.length === 0) return []
      const isDelta = own.began
      own.began = true
      return [{ id, isDelta, entries: own.grown.finish() }]
    })
  }
}

/** The columns of a batch as the table of a record batch and its body. */
export interface EncodedBatch {
  readonly table: FlatFields
  readonly parts: readonly Uint8Array[]
  readonly bodyLength: number
}

const bytesOf = (values: ArrayBufferView): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

/** Offsets that begin with 0, as most readers expect. */
const rebased = (offsets: Int32Array): Int32Array => {
  const first = offsets[0]!
  return first === 0 ? offsets : offsets.map((offset) => offset - first)
}

/** Collects the nodes and buffers of a record batch, in order. */
class BatchEncoder {
  readonly nodes: number[] = []
  readonly buffers: number[] = []
  readonly parts: Uint8Array[] = []
  length = 0
  private readonly ids = new DictionaryIds()

  constructor(
    private readonly codec: BodyCodec | undefined,
    private readonly dictionaries: GrowingDictionaries,
  ) {}

  add(column: Column): void {
    this.nodes.push(column.length, column.nullCount)
    this.buffer(column.nullCount === 0 ? new Uint8Array(0) : column.validity!.subarray(0, bitmapBytes(column.length)))
    if (column instanceof FixedColumn) this.buffer(bytesOf(column.values))
    else if (column instanceof BoolColumn) this.buffer(column.bits.subarray(0, bitmapBytes(column.length)))
    else if (column instanceof DecimalColumn) this.buffer(bytesOf(column.words))
    else if (column instanceof BytesColumn) {
      const { offsets, bytes, length } = column
      this.buffer(bytesOf(rebased(offsets)))
      this.buffer(bytes.subarray(offsets[0], offsets[length]))
    } else if (column instanceof ListColumn) this.lists(column)
    else if (column instanceof DictionaryColumn) this.buffer(bytesOf(this.dictionaries.indices(this.ids.take(), column)))
    else throw failure({ tag: 'Internal', code: 'UNKNOWN_LAYOUT', problem: `no Arrow form for ${column.constructor.name}` })
  }

  private lists(column: ListColumn): void {
    const { offsets, length, items } = column
    const { size } = column.field.params
    if (size === undefined) {
      this.buffer(bytesOf(rebased(offsets)))
      this.add(items.slice(offsets[0]!, offsets[length]!))
      return
    }
    if (size * length === offsets[length]! - offsets[0]!) return this.add(items.slice(offsets[0]!, offsets[length]!))
    // Null lists have no items with us, and as many as all others in lists of one size.
    const picked = new Int32Array(size * length).fill(-1)
    for (let row = 0; row < length; row++) if (column.isValid(row)) for (let i = 0; i < size; i++) picked[row * size + i] = offsets[row]! + i
    this.add(items.take(picked))
  }

  private buffer(bytes: Uint8Array): void {
    const parts = this.codec === undefined || bytes.length === 0 ? [bytes] : packed(bytes, this.codec.deflate)
    const size = parts.reduce((sum, part) => sum + part.length, 0)
    this.buffers.push(this.length, size)
    this.parts.push(...parts)
    const filling = -size & 7
    if (filling > 0) this.parts.push(new Uint8Array(filling))
    this.length += size + filling
  }
}

/** A packed buffer after its length; where packing gains nothing, -1 says so. */
const packed = (bytes: Uint8Array, deflate: Deflate): readonly Uint8Array[] => {
  const small = deflate(bytes)
  const isSmaller = small.length < bytes.length
  const length = new BigInt64Array([isSmaller ? BigInt(bytes.length) : -1n])
  return [bytesOf(length), isSmaller ? small : bytes]
}

/** A record batch of columns that all have `rows` rows. */
export const encodeBatch = (columns: readonly Column[], rows: number, codec: BodyCodec | undefined, dictionaries: GrowingDictionaries): EncodedBatch => {
  const encoder = new BatchEncoder(codec, dictionaries)
  for (const column of columns) encoder.add(column)
  const { nodes, buffers, parts, length } = encoder
  const compression = codec === undefined ? undefined : { table: [{ byte: codec.number }, { byte: 0 }] }
  return { table: [{ long: rows }, { structs: nodes, words: 2 }, { structs: buffers, words: 2 }, compression], parts, bodyLength: length }
}
