import { failure, readBytes, shardName, storageFor } from '@millrace/core'
import { corruptEntry, type StoredSlice } from './checkpoint-index.js'

/** One tensor must fit one typed array. */
const MAX_TENSOR_BYTES = 2 ** 32

/** Exactly `size` bytes from `offset`. */
const readRange = async (source: string, offset: number, size: number, signal: AbortSignal | undefined): Promise<Uint8Array> => {
  const bytes = new Uint8Array(size)
  let at = 0
  if (size > 0) {
    for await (const chunk of readBytes(source, { start: offset, end: offset + size, signal })) {
      bytes.set(chunk.subarray(0, size - at), at)
      at += chunk.length
      if (at >= size) break
    }
  }
  if (at < size) throw failure({ tag: 'Corrupt', code: 'CHECKPOINT_TRUNCATED', problem: `the data file ended ${size - at} bytes too early`, position: { source, byte: offset + at } })
  return bytes
}

/** The data files of a checkpoint. */
export class DataFiles {
  readonly #prefix: string
  readonly #count: number
  readonly #sizes = new Map<number, Promise<number>>()

  constructor(prefix: string, count: number) {
    this.#prefix = prefix
    this.#count = count
  }

  url(shard: number): string {
    return shardName(`${this.#prefix}.data`, shard, this.#count)
  }

  /** Bytes `from` to `to` of a slice. Nothing is allocated for what the file does not hold. @throws `Corrupt`, `NotFound`, `Limit` */
  async read(name: string, slice: StoredSlice, from: number, to: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { shard, offset, bytes } = slice
    const source = this.url(shard)
    const available = await this.#size(shard)
    if (offset < 0 || bytes < 0 || offset + bytes > available) throw corruptEntry(name, `its ${bytes} bytes at ${offset} lie outside the data file of ${available} bytes`, source)
    if (to - from > MAX_TENSOR_BYTES) throw failure({ tag: 'Limit', code: 'TENSOR_TOO_LARGE', problem: `the tensor ${name} has ${bytes} bytes, more than one array holds`, remedy: 'Read it in blocks.', position: { source } })
    return readRange(source, offset + from, to - from, signal)
  }

  #size(shard: number): Promise<number> {
    const known = this.#sizes.get(shard)
    if (known !== undefined) return known
    const url = this.url(shard)
    const size = storageFor(url).stat(url).then((info) => info.size ?? Number.MAX_SAFE_INTEGER)
    this.#sizes.set(shard, size)
    return size
  }
}
