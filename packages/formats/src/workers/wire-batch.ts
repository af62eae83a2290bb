import {
  boolColumn, BoolColumn, bytesColumn, BytesColumn, DecimalColumn, DictionaryColumn, fixedColumn, FixedColumn, ListColumn, makeBatch,
  type Batch, type Column, type ColumnMap, type Field, type Json, type Schema, type Values,
} from '@millrace/core'

/** The buffers of a column. Its field is that of the batch's schema. */
interface WireColumn {
  readonly validity: Uint8Array | undefined
  /** Values, words of decimals, bits of booleans, indices of dictionaries. */
  readonly values?: Values | undefined
  readonly length?: number | undefined
  readonly offsets?: Int32Array | undefined
  readonly bytes?: Uint8Array | undefined
  readonly items?: WireColumn | undefined
  /** Which of the dictionaries that were sent; one that was not sent before comes along. */
  readonly dictionary?: number | undefined
}

/** A batch as it goes from one thread to another. */
export interface WireBatch {
  /** Absent where it is that of the batch before. */
  readonly schema?: Schema | undefined
  readonly columns: readonly WireColumn[]
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
  private transfer = new Set<ArrayBuffer>()
  private bytes = 0

  /** @param isOwned - whether the buffers of a batch belong to it alone */
  constructor(private readonly isOwned: boolean) {}

  /** The batch must not be used any more. */
  send(batch: Batch): PostedBatch {
    this.transfer = new Set()
    this.bytes = 0
    const columns = Object.keys(batch.schema).map((name) => this.column((batch.columns as ColumnMap)[name]!, this.isOwned))
    const schema = batch.schema === this.schema ? undefined : batch.schema
    this.schema = batch.schema
    return { wire: { ...(schema === undefined ? {} : { schema }), columns, numRows: batch.numRows, position: batch.position ?? null }, transfer: [...this.transfer], bytes: this.bytes }
  }

  private column(column: Column, isOwned: boolean): WireColumn {
    const validity = column.validity === undefined ? undefined : this.own(column.validity, isOwned)
    if (column instanceof FixedColumn) return { validity, values: this.own(column.values, isOwned) }
    if (column instanceof BoolColumn) return { validity, values: this.own(column.bits, isOwned), length: column.length }
    if (column instanceof DecimalColumn) return { validity, values: this.own(column.words, isOwned) }
    if (column instanceof BytesColumn) {
      const { offsets, bytes } = column
      return { validity, bytes: this.own(bytes.subarray(offsets[0], offsets[column.length]), isOwned), offsets: this.fromZero(offsets, isOwned) }
    }
    if (column instanceof ListColumn) {
      const { offsets, items } = column as ListColumn
      const [start, end] = [offsets[0]!, offsets[column.length]!]
      return { validity, items: this.column(end - start === items.length ? items : items.slice(start, end), isOwned), offsets: this.fromZero(offsets, isOwned) }
    }
    return { validity, ...this.coded(column as DictionaryColumn, isOwned) }
  }

  private coded({ indices, dictionary }: DictionaryColumn, isOwned: boolean): Pick<WireColumn, 'values' | 'dictionary' | 'items'> {
    const known = this.dictionaries.get(dictionary)
    if (known !== undefined) return { values: this.own(indices, isOwned), dictionary: known }
    const at = this.dictionaries.size
    this.dictionaries.set(dictionary, at)
    // The reader may go on with its dictionary.
    return { values: this.own(indices, isOwned), dictionary: at, items: this.column(dictionary, false) }
  }

  private fromZero(offsets: Int32Array, isOwned: boolean): Int32Array {
    const first = offsets[0]!
    return first === 0 ? this.own(offsets, isOwned) : this.own(offsets.map((offset) => offset - first), true)
  }

  private own<V extends Values>(values: V, isOwned: boolean): V {
    const { buffer, byteLength } = values
    this.bytes += byteLength
    const isWhole = isOwned && byteLength > 0 && buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && !this.transfer.has(buffer)
    // The slice of a Buffer is a view.
    const handed = isWhole ? values : values instanceof Buffer ? (new Uint8Array(values) as unknown as V) : (values.slice() as V)
    this.transfer.add(handed.buffer as ArrayBuffer)
    return handed
  }
}

/** Puts batches of another thread together again, over the same buffers. */
export class BatchReceiver {
  private schema: Schema = {}
  private readonly dictionaries: Column[] = []

  receive({ schema, columns, numRows, position }: WireBatch): Batch {
    if (schema !== undefined) this.schema = schema
    const map = Object.fromEntries(Object.entries(this.schema).map(([name, field], i) => [name, this.column(field, columns[i]!)]))
    return makeBatch(this.schema, map, numRows, position)
  }

  private column(field: Field, { validity, values, length, offsets, bytes, items, dictionary }: WireColumn): Column {
    if (field.kind === 'list') return new ListColumn(field, offsets!, this.column(field.params.item!, items!), validity)
    if (field.kind === 'dictionary') {
      if (items !== undefined) this.dictionaries[dictionary!] = this.column(field.params.item!, items)
      return new DictionaryColumn(field, values as Int32Array, this.dictionaries[dictionary!]!, validity)
    }
    if (bytes !== undefined) return bytesColumn(field, offsets!, bytes, validity)
    if (field.kind === 'decimal') return new DecimalColumn(field, values as BigInt64Array, validity)
    if (field.kind === 'bool') return boolColumn(field, values as Uint8Array, length!, validity)
    return fixedColumn(field, values!, validity)
  }
}
