import { crc32c, maskCrc32c } from '@millrace/formats'

/** Keys between two places at which a block's key is stored whole (`tsl/lib/io/table_options.h`). */
const RESTART_INTERVAL = 16
/** A block is closed when it has grown past this size (`table_options.h`, 256 KiB). */
const BLOCK_BYTES = 262_144
/** A type byte and the masked CRC of block and type. */
const TRAILER_BYTES = 5
const FOOTER_BYTES = 48
const MAGIC = 0xdb4775248b80fb57n

/** One entry of a sorted table. */
export interface TableRow {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

const pushVarint = (bytes: number[], value: number): void => {
  let rest = value
  while (rest >= 128) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
}

/** A varint: seven bits a byte, the lowest first. */
export const encodeVarint = (value: number): Uint8Array => {
  const bytes: number[] = []
  pushVarint(bytes, value)
  return Uint8Array.from(bytes)
}

const sharedLength = (a: Uint8Array, b: Uint8Array): number => {
  const most = Math.min(a.length, b.length)
  let length = 0
  while (length < most && a[length] === b[length]) length += 1
  return length
}

/** Collects the entries of one block: each key after the first of an interval is stored without what it shares with the last. */
class BlockBuilder {
  readonly #interval: number
  #parts: Uint8Array[] = []
  #size = 0
  #restarts: number[] = []
  #count = 0
  #lastKey = new Uint8Array(0)

  constructor(interval: number) {
    this.#interval = interval
  }

  get size(): number {
    return this.#size
  }

  get lastKey(): Uint8Array {
    return this.#lastKey
  }

  add({ key, value }: TableRow): void {
    const restart = this.#count % this.#interval === 0
    if (restart) this.#restarts.push(this.#size)
    const shared = restart ? 0 : sharedLength(this.#lastKey, key)
    const head: number[] = []
    for (const length of [shared, key.length - shared, value.length]) pushVarint(head, length)
    for (const part of [Uint8Array.from(head), key.subarray(shared), value]) {
      this.#parts.push(part)
      this.#size += part.length
    }
    this.#lastKey = Uint8Array.from(key)
    this.#count += 1
  }

  /** The block with its trailer: type byte 0 (not compressed) and the masked CRC of block and type. */
  finish(): Uint8Array {
    const restarts = this.#restarts.length === 0 ? [0] : this.#restarts
    const size = this.#size + 4 * (restarts.length + 1)
    const block = new Uint8Array(size + TRAILER_BYTES)
    const view = new DataView(block.buffer)
    let at = 0
    for (const part of this.#parts) {
      block.set(part, at)
      at += part.length
    }
    for (const restart of restarts) {
      view.setUint32(at, restart, true)
      at += 4
    }
    view.setUint32(at, restarts.length, true)
    view.setUint32(size + 1, maskCrc32c(crc32c(block, 0, size + 1)), true)
    return block
  }
}

/**
 * A table file in TensorFlow's dialect of LevelDB's format (`tsl/lib/io/table_builder.cc`), uncompressed.
 *
 * @param rows - sorted by key, byte by byte, each key once
 */
export const encodeTable = (rows: Iterable<TableRow>): Uint8Array => {
  const parts: Uint8Array[] = []
  let offset = 0
  const append = (block: Uint8Array): Uint8Array => {
    const handle: number[] = []
    pushVarint(handle, offset)
    pushVarint(handle, block.length - TRAILER_BYTES)
    parts.push(block)
    offset += block.length
    return Uint8Array.from(handle)
  }

  const index = new BlockBuilder(1)
  let block = new BlockBuilder(RESTART_INTERVAL)
  const flush = (): void => {
    if (block.size === 0) return
    const key = block.lastKey
    index.add({ key, value: append(block.finish()) })
    block = new BlockBuilder(RESTART_INTERVAL)
  }
  for (const row of rows) {
    block.add(row)
    if (block.size >= BLOCK_BYTES) flush()
  }
  flush()
  const metaIndex = append(new BlockBuilder(RESTART_INTERVAL).finish())
  const indexHandle = append(index.finish())

  const footer = new Uint8Array(FOOTER_BYTES)
  footer.set(metaIndex)
  footer.set(indexHandle, metaIndex.length)
  new DataView(footer.buffer).setBigUint64(FOOTER_BYTES - 8, MAGIC, true)
  parts.push(footer)
  return concat(parts)
}

const concat = (parts: readonly Uint8Array[]): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
