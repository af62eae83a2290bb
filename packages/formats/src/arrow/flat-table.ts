/** Tables that one message may have: a schema has some for each column. */
const MAX_TABLES = 1 << 18
/** Lists of lists of lists …: other programs go down 64 levels of them. */
const MAX_DEPTH = 80

/** What may still be read of a message: damage that makes tables refer to each other would not end otherwise. */
interface Budget {
  tables: number
}

/**
 * A table of a FlatBuffer. What points beyond the buffer throws; so do tables that refer to each other without end.
 *
 * @see https://flatbuffers.dev/internals/
 */
export class FlatTable {
  private readonly vtable: number
  private readonly vtableSize: number

  private constructor(
    private readonly view: DataView,
    private readonly at: number,
    private readonly depth: number,
    private readonly budget: Budget,
  ) {
    if (depth > MAX_DEPTH) throw new Error('its tables are nested too deep')
    if (--budget.tables < 0) throw new Error('it has too many tables')
    this.vtable = at - view.getInt32(at, true)
    this.vtableSize = view.getUint16(this.vtable, true)
  }

  /** The root of a buffer. */
  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return new FlatTable(view, view.getUint32(0, true), 0, { tables: MAX_TABLES })
  }

  /** Where field `index` stands; 0 when it is absent. */
  private place(index: number): number {
    const slot = 4 + 2 * index
    const offset = slot + 2 > this.vtableSize ? 0 : this.view.getUint16(this.vtable + slot, true)
    return offset === 0 ? 0 : this.at + offset
  }

  private pointed(index: number): number {
    const place = this.place(index)
    return place === 0 ? 0 : place + this.view.getUint32(place, true)
  }

  byte(index: number, absent = 0): number {
    const place = this.place(index)
    return place === 0 ? absent : this.view.getUint8(place)
  }

  short(index: number, absent = 0): number {
    const place = this.place(index)
    return place === 0 ? absent : this.view.getInt16(place, true)
  }

  int(index: number, absent = 0): number {
    const place = this.place(index)
    return place === 0 ? absent : this.view.getInt32(place, true)
  }

  /** A 64-bit count or offset. @throws for one below 0 or beyond 2⁵³ */
  count(index: number): number {
    const place = this.place(index)
    return place === 0 ? 0 : safe(this.view.getBigInt64(place, true))
  }

  /** A 64-bit number of any kind. */
  long(index: number): bigint {
    const place = this.place(index)
    return place === 0 ? 0n : this.view.getBigInt64(place, true)
  }

  text(index: number): string | undefined {
    const at = this.pointed(index)
    if (at === 0) return undefined
    const length = this.view.getUint32(at, true)
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array(this.view.buffer, this.view.byteOffset + at + 4, length))
  }

  table(index: number): FlatTable | undefined {
    const at = this.pointed(index)
    return at === 0 ? undefined : new FlatTable(this.view, at, this.depth + 1, this.budget)
  }

  private vector(index: number, width: number): { readonly length: number; readonly at: number } {
    const at = this.pointed(index)
    if (at === 0) return { length: 0, at: 0 }
    const length = this.view.getUint32(at, true)
    if (at + 4 + length * width > this.view.byteLength) throw new Error('a list reaches beyond it')
    return { length, at: at + 4 }
  }

  tables(index: number): readonly FlatTable[] {
    const { length, at } = this.vector(index, 4)
    return Array.from({ length }, (_, i) => {
      const place = at + 4 * i
      return new FlatTable(this.view, place + this.view.getUint32(place, true), this.depth + 1, this.budget)
    })
  }

  /** A vector of structs of `words` 64-bit counts each, flat. */
  counts(index: number, words: number): Float64Array {
    const { length, at } = this.vector(index, 8 * words)
    return Float64Array.from({ length: length * words }, (_, i) => safe(this.view.getBigInt64(at + 8 * i, true)))
  }

  /** Number of elements of a vector. @param width - bytes of each */
  length(index: number, width: number): number {
    return this.vector(index, width).length
  }
}

const safe = (value: bigint): number => {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`${value} is no count`)
  return Number(value)
}
