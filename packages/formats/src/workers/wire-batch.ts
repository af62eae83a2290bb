import {
  boolColumn, BoolColumn, bytesColumn, BytesColumn, DecimalColumn, DictionaryColumn, fixedColumn, FixedColumn, ListColumn, makeBatch,
  type Batch, type Column, type ColumnMap, type Field, type Json, type Schema, type Values,
} from '@millrace/core'
import { isBatchBuffer } from '../example/column-memory.js'

/** A batch as it goes from one thread to another. */
export interface WireBatch {
  /** Absent where it is that of the batch before. */
  readonly schema?: Schema | undefined
  readonly buffers: readonly ArrayBuffer[]
  /**
   * The arrays of the columns, in their order, as numbers: messages are taken apart faster the fewer objects they hold. Of each array the type, the
   * buffer, its offset and its length, or -1 where there is none; the parts of a column as {@link BatchSender} puts them down.
   */
  readonly layout: readonly number[]
  readonly numRows: number
  readonly position: Json
}

/** A batch to post, and the buffers to hand over with it. */
export interface PostedBatch {
  readonly wire: WireBatch
  readonly transfer: readonly ArrayBuffer[]
  /** Bytes of its buffers. */
  readonly bytes: number
}

/**
 * Takes batches apart for another thread. Their buffers are handed over, not copied, where the reader made them for one batch alone and they
 * are as large as what they hold; else they are copied once.
 */
export class BatchSender {
  private schema: Schema | undefined
  private readonly dictionaries = new Map<Column, number>()
  private buffers: ArrayBuffer[] = []
  private layout: number[] = []
  private bytes = 0

  /** @param isOwned - whether the buffers of a batch belong to it alone */
  constructor(private readonly isOwned: boolean) {}

  /** The batch must not be used any more. */
  send(batch: Batch): PostedBatch {
    const buffers: ArrayBuffer[] = (this.buffers = [])
    const layout: number[] = (this.layout = [])
    this.bytes = 0
    for (const name of Object.keys(batch.schema)) this.column((batch.columns as ColumnMap)[name]!, this.isOwned)
    const schema = batch.schema === this.schema ? undefined : batch.schema
    this.schema = batch.schema
    return { wire: { ...(schema === undefined ? {} : { schema }), buffers, layout, numRows: batch.numRows, position: batch.position ?? null }, transfer: buffers, bytes: this.bytes }
  }

  private column(column: Column, isOwned: boolean): void {
    this.array(column.validity, isOwned)
    if (column instanceof FixedColumn) this.array(column.values, isOwned)
    else if (column instanceof BoolColumn) {
      this.array(column.bits, isOwned)
      this.layout.push(column.length)
    } else if (column instanceof DecimalColumn) this.array(column.words, isOwned)
    else if (column instanceof BytesColumn) {
      const { offsets, bytes } = column
      this.offsets(offsets, isOwned)
      this.array(bytes.subarray(offsets[0], offsets[column.length]), isOwned)
    } else if (column instanceof ListColumn) {
      const { offsets, items } = column as ListColumn
      const [start, end] = [offsets[0]!, offsets[column.length]!]
      this.offsets(offsets, isOwned)
      this.column(end - start === items.length ? items : items.slice(start, end), isOwned)
    } else this.coded(column as DictionaryColumn, isOwned)
  }

  /** Of a dictionary its number; the first time it comes along. */
  private coded({ indices, dictionary }: DictionaryColumn, isOwned: boolean): void {
    this.array(indices, isOwned)
    const known = this.dictionaries.get(dictionary)
    const at = known ?? this.dictionaries.size
    this.layout.push(at, known === undefined ? 1 : 0)
    if (known !== undefined) return
    this.dictionaries.set(dictionary, at)
    // The reader may go on with its dictionary.
    this.column(dictionary, false)
  }

  private offsets(offsets: Int32Array, isOwned: boolean): void {
    const first = offsets[0]!
    if (first === 0) this.array(offsets, isOwned)
    else this.array(offsets.map((offset) => offset - first), true)
  }

  private array(values: Values | undefined, isOwned: boolean): void {
    if (values === undefined) return void this.layout.push(-1)
    this.bytes += values.byteLength
    // A Buffer is a Uint8Array.
    const type = types.findIndex((known) => values instanceof known)
    const handed = isOwned && this.mayBeHandedOver(values) ? values : new (types[type] as unknown as new (values: Values) => Values)(values)
    const buffer = handed.buffer as ArrayBuffer
    const at = this.buffers.lastIndexOf(buffer)
    this.layout.push(type, at >= 0 ? at : this.buffers.push(buffer) - 1, handed.byteOffset, handed.length)
  }

  /** Where the buffer holds nothing but this, or nothing but this batch. */
  private mayBeHandedOver({ buffer, byteLength }: Values): boolean {
    if (isBatchBuffer(buffer)) return true
    return byteLength > 0 && buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && !this.buffers.includes(buffer)
  }
}

type ArrayType = new (buffer: ArrayBuffer, byteOffset: number, length: number) => Values

/** By their number in layouts. */
const types: readonly ArrayType[] = [Uint8Array, Int8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array, Float32Array, Float64Array]

/** Puts batches of another thread together again, over the same buffers. */
export class BatchReceiver {
  private schema: Schema = {}
  private readonly dictionaries: Column[] = []
  private buffers: readonly ArrayBuffer[] = []
  private layout: readonly number[] = []
  private at = 0

  receive({ schema, buffers, layout, numRows, position }: WireBatch): Batch {
    if (schema !== undefined) this.schema = schema
    this.buffers = buffers
    this.layout = layout
    this.at = 0
    const columns: { [name: string]: Column } = {}
    for (const name of Object.keys(this.schema)) columns[name] = this.column(this.schema[name]!)
    this.buffers = []
    return makeBatch(this.schema, columns, numRows, position)
  }

  private column(field: Field): Column {
    const validity = this.array<Uint8Array>()
    const { kind, params } = field
    if (kind === 'utf8' || kind === 'binary') return bytesColumn(field, this.array<Int32Array>()!, this.array<Uint8Array>()!, validity)
    if (kind === 'list') return new ListColumn(field, this.array<Int32Array>()!, this.column(params.item!), validity)
    if (kind === 'dictionary') return this.coded(field, validity)
    const values = this.array()!
    if (kind === 'decimal') return new DecimalColumn(field, values as BigInt64Array, validity)
    if (kind === 'bool') return boolColumn(field, values as Uint8Array, this.layout[this.at++]!, validity)
    return fixedColumn(field, values, validity)
  }

  private coded(field: Field, validity: Uint8Array | undefined): Column {
    const indices = this.array<Int32Array>()!
    const dictionary = this.layout[this.at++]!
    if (this.layout[this.at++] === 1) this.dictionaries[dictionary] = this.column(field.params.item!)
    return new DictionaryColumn(field, indices, this.dictionaries[dictionary]!, validity)
  }

  private array<V extends Values>(): V | undefined {
    const { layout, at } = this
    const type = layout[at]!
    if (type < 0) {
      this.at++
      return undefined
    }
    this.at += 4
    return new types[type]!(this.buffers[layout[at + 1]!]!, layout[at + 2]!, layout[at + 3]!) as V
  }
}
