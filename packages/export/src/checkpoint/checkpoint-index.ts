import { failure, fromUnknown, isMillraceError } from '@millrace/core'
import { unmaskCrc32c } from '@millrace/formats'
import { int64ToNumber, tensorflow } from '../proto/index.js'
import { knownShape } from '../tensor/decode-tensor-proto.js'
import { dtypeBytes, readDtype, type DType } from '../tensor/dtypes.js'
import { sizeOf } from '../tensor/host-tensor.js'
import { modRowsTensor } from './mod-layout.js'
import { readTable } from './read-table.js'
import { sliceKey, type TensorSlice } from './slice-key.js'

/** One tensor of a checkpoint, as its index describes it. */
export interface CheckpointEntry {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Number of slices it is stored in; 0 for one that is stored whole. */
  readonly slices: number
  /**
   * Parts of a table that was partitioned by `id % parts`, whose rows lie part by part; `undefined` where rows lie in their order.
   * Readers of ours give rows in their order; TensorFlow's give them as they lie.
   */
  readonly modParts: number | undefined
}

/** A stored piece of a tensor: which box of the whole it is, and where its bytes lie. */
export interface StoredSlice {
  readonly start: readonly number[]
  readonly shape: readonly number[]
  /** Number of the data file. */
  readonly shard: number
  readonly offset: number
  readonly bytes: number
  readonly crc: number
}

/** The index of a checkpoint: which tensors it holds, and where. */
export interface CheckpointIndex {
  /** Number of data files. */
  readonly shards: number
  /** Tensors by name, in the order of the index; slices of partitioned tensors are not listed for themselves. */
  readonly entries: ReadonlyMap<string, CheckpointEntry>
  /** Of an entry: its slices, which cover it; one that is stored whole is one slice. @throws `Corrupt` when they do not */
  slices(entry: CheckpointEntry): readonly StoredSlice[]
}

/** The error of a tensor whose description or data contradict themselves. */
export const corruptEntry = (name: string, problem: string, source: string, cause?: unknown): Error =>
  failure({ tag: 'Corrupt', code: 'CHECKPOINT_ENTRY', problem: `the tensor ${name} cannot be read: ${problem}`, remedy: 'Copy the checkpoint again, index and data files together.', position: { source }, cause })

const latin = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

class ParsedIndex implements CheckpointIndex {
  readonly entries = new Map<string, CheckpointEntry>()
  /** Messages by key, the key's bytes as a Latin-1 text: keys of slices are no UTF-8. */
  readonly #messages = new Map<string, tensorflow.BundleEntryProto>()
  readonly #source: string
  shards = 0

  constructor(index: Uint8Array, source: string) {
    this.#source = source
    for (const { key, value } of readTable(index, source)) {
      try {
        if (key.length === 0) this.#header(tensorflow.BundleHeaderProto.decode(value))
        else this.#entry(key, tensorflow.BundleEntryProto.decode(value))
      } catch (thrown) {
        throw isMillraceError(thrown) ? thrown.at({ source }) : corruptEntry(latin(key), 'its description cannot be read', source, thrown)
      }
    }
    if (this.shards === 0) throw failure({ tag: 'Corrupt', code: 'CHECKPOINT_HEADER', problem: 'the index of the checkpoint has no header', position: { source } })
    this.#markModLayouts()
  }

  slices(entry: CheckpointEntry): readonly StoredSlice[] {
    const { name, dtype, shape } = entry
    const message = this.#messages.get(latin(new TextEncoder().encode(name)))
    if (message === undefined) throw corruptEntry(name, 'it is not in the index', this.#source)
    if (entry.slices === 0) return [this.#stored(entry, message, shape.map(() => 0), shape)]
    if (dtypeBytes(dtype) === undefined) throw corruptEntry(name, `slices of ${dtype} tensors are not written by TensorFlow`, this.#source)
    const found = (message.slices ?? []).map((proto) => this.#slice(entry, proto))
    const covered = found.reduce((sum, slice) => sum + sizeOf(slice.shape), 0)
    if (covered !== sizeOf(shape)) throw corruptEntry(name, `its slices hold ${covered} of ${sizeOf(shape)} elements`, this.#source)
    return found
  }

  #header(header: tensorflow.BundleHeaderProto): void {
    this.shards = header.numShards ?? 0
    const big = header.endianness === tensorflow.BundleHeaderProto.Endianness.BIG
    if (!big && (header.version?.minConsumer ?? 0) <= 1) return
    throw failure({
      tag: 'Corrupt',
      code: 'CHECKPOINT_VERSION',
      problem: big ? 'the checkpoint was written on a big-endian machine' : `the checkpoint needs a reader of version ${header.version?.minConsumer}; this one is version 1`,
    })
  }

  #entry(key: Uint8Array, message: tensorflow.BundleEntryProto): void {
    this.#messages.set(latin(key), message)
    // A name never begins with a zero byte, the key of a slice always does.
    if (key[0] === 0) return
    const name = new TextDecoder('utf-8', { fatal: true }).decode(key)
    const use = `the tensor ${name}`
    this.entries.set(name, { name, dtype: readDtype(message.dtype, use), shape: knownShape(message.shape, use), slices: message.slices?.length ?? 0, modParts: undefined })
  }

  #markModLayouts(): void {
    for (const entry of [...this.entries.values()]) {
      const marker = this.entries.get(modRowsTensor(entry.name))
      if (marker === undefined) continue
      const parts = marker.shape[0] ?? 0
      if (parts !== entry.slices || parts > (entry.shape[0] ?? 0)) throw corruptEntry(entry.name, `it has ${entry.slices} slices, and is said to have ${parts} parts`, this.#source)
      this.entries.set(entry.name, { ...entry, modParts: parts })
    }
  }

  #slice(entry: CheckpointEntry, { extent }: tensorflow.ITensorSliceProto): StoredSlice {
    const { name, shape } = entry
    const slice: TensorSlice = { extents: (extent ?? []).map(({ start, length }) => ({ start: int64ToNumber(start), length: length === null || length === undefined ? -1 : int64ToNumber(length) })) }
    const message = this.#messages.get(latin(sliceKey(name, slice)))
    if (message === undefined || slice.extents.length !== shape.length) throw corruptEntry(name, 'one of its slices is missing', this.#source)
    const sizes = slice.extents.map(({ start, length }, axis) => {
      const size = length === -1 ? shape[axis]! : length
      if (start < 0 || size < 0 || start + size > shape[axis]!) throw corruptEntry(name, 'one of its slices lies outside its shape', this.#source)
      return size
    })
    return this.#stored(entry, message, slice.extents.map(({ start }) => start), sizes)
  }

  #stored({ name, dtype }: CheckpointEntry, message: tensorflow.BundleEntryProto, start: readonly number[], shape: readonly number[]): StoredSlice {
    const shard = message.shardId ?? 0
    if (shard < 0 || shard >= this.shards) throw corruptEntry(name, `it lies in data file ${shard} of ${this.shards}`, this.#source)
    const bytes = int64ToNumber(message.size)
    const width = dtypeBytes(dtype)
    if (width !== undefined && sizeOf(shape) * width !== bytes) throw corruptEntry(name, `its ${bytes} bytes do not fit ${dtype}[${shape.join(',')}]`, this.#source)
    return { start, shape, shard, offset: int64ToNumber(message.offset), bytes, crc: unmaskCrc32c(message.crc32c ?? 0) }
  }
}

/**
 * The index of a checkpoint from the bytes of its `.index` file (`tensorflow/core/util/tensor_bundle/`).
 *
 * @param source - for messages
 * @throws `Corrupt`; `Model` for a dtype that Millrace does not know
 */
export const parseCheckpointIndex = (index: Uint8Array, source: string): CheckpointIndex => {
  try {
    return new ParsedIndex(index, source)
  } catch (thrown) {
    throw fromUnknown(thrown, { source })
  }
}
