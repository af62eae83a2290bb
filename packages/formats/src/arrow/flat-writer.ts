/** A field of a table that is written; `undefined` leaves it out. */
export type FlatField =
  | { readonly byte: number }
  | { readonly short: number }
  | { readonly int: number }
  | { readonly long: number | bigint }
  | { readonly text: string }
  | { readonly table: FlatFields }
  | { readonly tables: readonly FlatFields[] }
  /** Structs of 64-bit numbers, `words` each. */
  | { readonly structs: readonly (number | bigint)[]; readonly words: number }
  | undefined

/** The fields of a table, by their place. */
export type FlatFields = readonly FlatField[]

const inlineSize = (field: NonNullable<FlatField>): number => ('byte' in field ? 1 : 'short' in field ? 2 : 'long' in field ? 8 : 4)

const align = (at: number, to: number): number => Math.ceil(at / to) * to

class FlatWriter {
  private bytes = new Uint8Array(1024)
  private view = new DataView(this.bytes.buffer)
  private end = 0

  private reserve(at: number, size: number): number {
    if (at + size > this.bytes.length) {
      const grown = new Uint8Array(align(Math.max(at + size, 2 * this.bytes.length), 8))
      grown.set(this.bytes)
      this.bytes = grown
      this.view = new DataView(grown.buffer)
    }
    this.end = at + size
    return at
  }

  root(fields: FlatFields): Uint8Array {
    this.reserve(0, 4)
    const table = this.table(fields)
    this.view.setUint32(0, table, true)
    return this.bytes.subarray(0, align(this.end, 8))
  }

  /** A table after its own vtable, and what it points to behind it. Gives its place. */
  private table(fields: FlatFields): number {
    const vtable = this.reserve(align(this.end, 2), 4 + 2 * fields.length)
    const start = align(this.end, 8)
    let size = 4
    const places = fields.map((field) => {
      if (field === undefined) return 0
      const place = align(size, inlineSize(field))
      size = place + inlineSize(field)
      return place
    })
    this.reserve(start, size)
    this.view.setUint16(vtable, 4 + 2 * fields.length, true)
    this.view.setUint16(vtable + 2, size, true)
    this.view.setInt32(start, start - vtable, true)
    for (const [i, field] of fields.entries()) {
      this.view.setUint16(vtable + 4 + 2 * i, places[i]!, true)
      if (field !== undefined) this.field(field, start + places[i]!)
    }
    return start
  }

  private field(field: NonNullable<FlatField>, at: number): void {
    if ('byte' in field) this.view.setUint8(at, field.byte)
    else if ('short' in field) this.view.setInt16(at, field.short, true)
    else if ('int' in field) this.view.setInt32(at, field.int, true)
    else if ('long' in field) this.view.setBigInt64(at, BigInt(field.long), true)
    else {
      const pointed = 'table' in field ? this.table(field.table) : 'text' in field ? this.text(field.text) : 'tables' in field ? this.tables(field.tables) : this.structs(field.structs, field.words)
      this.view.setUint32(at, pointed - at, true)
    }
  }

  private text(text: string): number {
    const bytes = Buffer.from(text)
    const at = this.reserve(align(this.end, 4), 4 + bytes.length + 1)
    this.view.setUint32(at, bytes.length, true)
    this.bytes.set(bytes, at + 4)
    return at
  }

  private tables(tables: readonly FlatFields[]): number {
    const at = this.reserve(align(this.end, 4), 4 + 4 * tables.length)
    this.view.setUint32(at, tables.length, true)
    for (const [i, fields] of tables.entries()) {
      const place = at + 4 + 4 * i
      const table = this.table(fields)
      this.view.setUint32(place, table - place, true)
    }
    return at
  }

  private structs(values: readonly (number | bigint)[], words: number): number {
    const at = this.reserve(align(this.end + 4, 8) - 4, 4 + 8 * values.length)
    this.view.setUint32(at, values.length / words, true)
    for (const [i, value] of values.entries()) this.view.setBigInt64(at + 4 + 8 * i, BigInt(value), true)
    return at
  }
}

/** A FlatBuffer with the root table of these fields, filled up to 8 bytes. @see https://flatbuffers.dev/internals/ */
export const flatBuffer = (fields: FlatFields): Uint8Array => new FlatWriter().root(fields)
