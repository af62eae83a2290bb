import { failure, job, readWhole, shownUrl, throwIfAborted, type Job } from '@millrace/core'
import { crc32c } from '@millrace/formats'
import { dtypeBytes, elementsFromBytes } from '../tensor/dtypes.js'
import { numericTensor, sizeOf, stringTensor, type HostTensor } from '../tensor/host-tensor.js'
import { corruptEntry, parseCheckpointIndex, type CheckpointEntry, type CheckpointIndex, type StoredSlice } from './checkpoint-index.js'
import { DataFiles } from './data-files.js'
import { RowReader } from './read-rows.js'
import { readStrings } from './read-strings.js'

/** The index lists tensors only; the largest models have some 100,000 of them. */
const MAX_INDEX_BYTES = 256 * 2 ** 20
/** Large enough that opening files costs little, small beside what a model takes. */
const DEFAULT_BLOCK_BYTES = 8 * 2 ** 20

/** Which rows to read, and how many at once. */
export interface BlockOptions {
  /** First row. Default 0. */
  readonly start?: number | undefined
  /** Row after the last. Default: all. */
  readonly end?: number | undefined
  /** Most bytes of a block, which has one row at least. Default 8 MiB. */
  readonly blockBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** A checkpoint that was opened: its index is in memory, its tensors are read when asked for. */
export interface Checkpoint {
  /** Path without `.index`. */
  readonly prefix: string
  /** Tensors by name, in the order of the index; slices of partitioned tensors are not listed for themselves. */
  readonly entries: ReadonlyMap<string, CheckpointEntry>
  /**
   * Reads one tensor whole; slices are put together, rows in the order of their ids, checksums verified.
   *
   * @throws `NotFound` for a name that is not there or a missing data file, `Corrupt` for one that is damaged
   */
  read(name: string, signal?: AbortSignal): Promise<HostTensor>
  /**
   * Reads a numeric tensor, or some of its rows, block by block, each `[rows, …]`: memory for a few blocks is all it takes, however
   * large the tensor. Rows are in the order of their ids. The checksum of a slice is verified with its last row, when all of the
   * slice was read; so bytes of a damaged file may have been given before it throws. A scalar is one block.
   *
   * @throws as `read`; `Usage` for a range that is none, `Model` for strings
   */
  blocks(name: string, options?: BlockOptions): AsyncIterable<HostTensor>
}

class OpenedCheckpoint implements Checkpoint {
  readonly prefix: string
  readonly #index: CheckpointIndex
  readonly #files: DataFiles

  constructor(prefix: string, index: CheckpointIndex) {
    this.prefix = prefix
    this.#index = index
    this.#files = new DataFiles(prefix, index.shards)
  }

  get entries(): ReadonlyMap<string, CheckpointEntry> {
    return this.#index.entries
  }

  async read(name: string, signal?: AbortSignal): Promise<HostTensor> {
    const entry = this.#entry(name)
    const slices = this.#index.slices(entry)
    if (entry.slices === 0) return this.#whole(entry, slices[0] as StoredSlice, signal)
    // Before allocating: only what the data files hold is made room for.
    for (const slice of slices) await this.#files.read(name, slice, 0, 0, signal)
    return numericTensor(entry.dtype, entry.shape, await new RowReader(entry, slices, this.#files).rows(0, entry.shape[0] ?? 1, signal))
  }

  async *blocks(name: string, options: BlockOptions = {}): AsyncGenerator<HostTensor> {
    const entry = this.#entry(name)
    const { dtype, shape } = entry
    const width = dtypeBytes(dtype)
    if (width === undefined) throw failure({ tag: 'Model', code: 'NOT_NUMERIC', problem: `the tensor ${name} holds ${dtype} elements, which are not read in blocks`, remedy: 'Read it whole.' })
    if (shape.length === 0) {
      yield await this.read(name, options.signal)
      return
    }
    const rows = shape[0] as number
    const { start = 0, end = rows, blockBytes = DEFAULT_BLOCK_BYTES, signal } = options
    if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= rows && blockBytes > 0)) {
      throw failure({ tag: 'Usage', code: 'BAD_RANGE', problem: `rows ${start} to ${end} of ${name}, which has ${rows}, in blocks of ${blockBytes} bytes` })
    }
    const reader = new RowReader(entry, this.#index.slices(entry), this.#files)
    const step = Math.max(1, Math.floor(blockBytes / Math.max(1, sizeOf(shape.slice(1)) * width)))
    for (let row = start; row < end; row += step) {
      throwIfAborted(signal)
      const after = Math.min(end, row + step)
      yield numericTensor(dtype, [after - row, ...shape.slice(1)], await reader.rows(row, after, signal))
    }
  }

  #entry(name: string): CheckpointEntry {
    const entry = this.entries.get(name)
    if (entry !== undefined) return entry
    throw failure({
      tag: 'NotFound',
      code: 'NO_SUCH_TENSOR',
      problem: `the checkpoint holds no tensor named ${name}`,
      remedy: `It holds: ${[...this.entries.keys()].slice(0, 10).join(', ')}${this.entries.size > 10 ? ', …' : ''}.`,
      position: { source: `${this.prefix}.index` },
    })
  }

  async #whole({ name, dtype, shape }: CheckpointEntry, slice: StoredSlice, signal: AbortSignal | undefined): Promise<HostTensor> {
    throwIfAborted(signal)
    const source = this.#files.url(slice.shard)
    const numeric = dtypeBytes(dtype) !== undefined
    if (!numeric && dtype !== 'string') throw failure({ tag: 'Model', code: 'UNKNOWN_DTYPE', problem: `the tensor ${name} is a ${dtype}, which Millrace does not read from checkpoints`, position: { source } })
    const bytes = await this.#files.read(name, slice, 0, slice.bytes, signal)
    if (numeric) {
      if (crc32c(bytes) !== slice.crc) throw corruptEntry(name, 'its checksum does not match', source)
      return numericTensor(dtype, shape, elementsFromBytes(dtype, bytes))
    }
    const { strings, crc } = readStrings(bytes, sizeOf(shape), `the tensor ${name}`)
    if (crc !== slice.crc) throw corruptEntry(name, 'its checksum does not match', source)
    return stringTensor(shape, strings)
  }
}

/**
 * Opens a checkpoint (TensorBundle): `model.ckpt-100`, or the `variables/variables` of a SavedModel.
 *
 * @param prefix - path or URL without `.index`
 * @throws `NotFound`, `Corrupt`, `Limit`
 */
export const openCheckpoint = async (prefix: string, signal?: AbortSignal): Promise<Checkpoint> => {
  const source = `${prefix}.index`
  return new OpenedCheckpoint(prefix, parseCheckpointIndex(await readWhole(source, { limitBytes: MAX_INDEX_BYTES, signal }), source))
}

/**
 * Reads a checkpoint: all of its tensors by name, or those that are named.
 *
 * @param prefix - path or URL without `.index`
 */
export const readCheckpoint = (prefix: string, options: { readonly names?: readonly string[] | undefined } = {}): Job<ReadonlyMap<string, HostTensor>> =>
  job(async ({ signal, progress }) => {
    const checkpoint = await openCheckpoint(prefix, signal)
    const names = options.names ?? [...checkpoint.entries.keys()]
    const tensors = new Map<string, HostTensor>()
    let done = 0
    for (const name of names) {
      const tensor = await checkpoint.read(name, signal)
      tensors.set(name, tensor)
      done += ArrayBuffer.isView(tensor.data) ? tensor.data.byteLength : tensor.data.bytes.length
      progress?.({ stage: `reading ${shownUrl(prefix)}`, done, unit: 'bytes', finished: tensors.size === names.length })
    }
    return tensors
  })
