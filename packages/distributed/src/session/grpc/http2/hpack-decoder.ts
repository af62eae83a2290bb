import { errorCode, ProtocolError } from './error-code.js'
import { decodeHuffman } from './huffman.js'
import { STATIC_TABLE } from './static-table.js'

/** Of the table that the peer fills, unless it is told another size. */
const TABLE_BYTES = 4096
/** What the RFC adds to a name and a value, for what a table holds beside them. */
const ENTRY_BYTES = 32
/** Nothing that is counted here is longer than a list of headers may be. */
const MAX_INTEGER = 2 ** 24

/** Headers by their names. One that came several times has its values with commas between, as HTTP reads them. */
export type Headers = ReadonlyMap<string, string>

type Entry = readonly [name: string, value: string]

const bad = (what: string): ProtocolError => new ProtocolError(errorCode.compressionError, `headers ${what}`)
const sizeOf = ([name, value]: Entry): number => name.length + value.length + ENTRY_BYTES

/** Headers that have come before, the newest first (RFC 7541, section 2.3.2). */
class DynamicTable {
  /** The oldest first. */
  readonly #entries: Entry[] = []
  #bytes = 0
  #maxBytes = TABLE_BYTES

  at(index: number): Entry | undefined {
    return this.#entries[this.#entries.length - 1 - index]
  }

  /** One that is larger than the table empties it, which is no error. */
  add(entry: Entry): void {
    this.#bytes += sizeOf(entry)
    this.#entries.push(entry)
    this.#evict()
  }

  resize(bytes: number): void {
    this.#maxBytes = bytes
    this.#evict()
  }

  #evict(): void {
    while (this.#bytes > this.#maxBytes) this.#bytes -= sizeOf(this.#entries.shift()!)
  }
}

/** Reads one block. */
class BlockReader {
  #at = 0

  constructor(readonly bytes: Buffer) {}

  get isAtEnd(): boolean {
    return this.#at >= this.bytes.length
  }

  /** The byte whose first bits say what follows. It is read again with the number in its other bits. */
  peek(): number {
    return this.bytes[this.#at]!
  }

  integer(bits: number): number {
    const most = 2 ** bits - 1
    let value = this.#next() & most
    if (value < most) return value
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#next()
      value += (byte & 127) * scale
      if (value > MAX_INTEGER || scale > MAX_INTEGER) throw bad('with a number that is too large')
      if (byte < 128) return value
    }
  }

  string(): string {
    if (this.isAtEnd) throw bad('that are cut off')
    const isHuffman = this.peek() >= 128
    const start = this.integer(7)
    const from = this.#at
    this.#at += start
    if (this.#at > this.bytes.length) throw bad('that are cut off')
    return isHuffman ? decodeHuffman(this.bytes.subarray(from, this.#at)) : this.bytes.toString('latin1', from, this.#at)
  }

  #next(): number {
    const byte = this.bytes[this.#at++]
    if (byte === undefined) throw bad('that are cut off')
    return byte
  }
}

/** Reads the headers of a connection's streams, in the order in which they come: each block may refer to those before (RFC 7541). */
export class HeaderDecoder {
  readonly #table = new DynamicTable()
  readonly #maxListBytes: number

  /** @param maxListBytes - of the headers of one block, as the RFC counts them */
  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes
  }

  /**
   * The headers of a block; `undefined` when they are more than the limit, which is no fault of the connection: those that follow can be read.
   *
   * @throws ProtocolError for what is no block
   */
  decode(block: Buffer): Headers | undefined {
    const reader = new BlockReader(block)
    const headers = new Map<string, string>()
    let listBytes = 0
    while (!reader.isAtEnd && (reader.peek() & 0xe0) === 0x20) this.#resize(reader.integer(5))
    while (!reader.isAtEnd) {
      const entry = this.#entry(reader)
      listBytes += sizeOf(entry)
      if (listBytes > this.#maxListBytes) continue
      const before = headers.get(entry[0])
      headers.set(entry[0], before === undefined ? entry[1] : `${before}, ${entry[1]}`)
    }
    return listBytes > this.#maxListBytes ? undefined : headers
  }

  #entry(reader: BlockReader): Entry {
    const first = reader.peek()
    if (first >= 0x80) return this.#known(reader.integer(7))
    if ((first & 0xe0) === 0x20) throw bad('that change the size of their table midway')
    const isKept = first >= 0x40
    const name = reader.integer(isKept ? 6 : 4)
    const entry: Entry = [name === 0 ? reader.string() : this.#known(name)[0], reader.string()]
    if (isKept) this.#table.add(entry)
    return entry
  }

  #known(index: number): Entry {
    const entry = index < STATIC_TABLE.length ? STATIC_TABLE[index] : this.#table.at(index - STATIC_TABLE.length)
    if (index === 0 || entry === undefined) throw bad(`with the number ${index}, which stands for none`)
    return entry
  }

  #resize(bytes: number): void {
    if (bytes > TABLE_BYTES) throw bad(`with a table of ${bytes} bytes`)
    this.#table.resize(bytes)
  }
}
