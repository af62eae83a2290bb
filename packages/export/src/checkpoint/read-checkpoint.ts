import { failure, fromUnknown, isMillraceError, job, readBytes, readWhole, shardName, storageFor, throwIfAborted, type Job } from '@millrace/core'
import { crc32c, unmaskCrc32c } from '@millrace/formats'
import { int64ToNumber, tensorflow } from '../proto/index.js'
import { knownShape } from '../tensor/decode-tensor-proto.js'
import { allocate, dtypeBytes, readDtype, elementsFromBytes, type DType, type NumericData } from '../tensor/dtypes.js'
import { numericTensor, sizeOf, stringTensor, type HostTensor } from '../tensor/host-tensor.js'
import { readStrings } from './read-strings.js'
import { readTable } from './read-table.js'
import { sliceKey, type TensorSlice } from './slice-key.js'

/** The index lists tensors only; the largest models have some 100,000 of them. */
const MAX_INDEX_BYTES = 256 * 2 ** 20
/** One tensor must fit one typed array. */
const MAX_TENSOR_BYTES = 2 ** 32

/** One tensor of a checkpoint, as its index describes it. */
export interface CheckpointEntry {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Number of slices it is stored in; 0 for one that is stored whole. */
  readonly slices: number
}

/** A checkpoint that was opened: its index is in memory, its tensors are read when asked for. */
export interface Checkpoint {
  /** Path without `.index`. */
  readonly prefix: string
  /** Tensors by name, in the order of the index; slices of partitioned tensors are not listed for themselves. */
  readonly entries: ReadonlyMap<string, CheckpointEntry>
  /**
   * Reads one tensor whole; slices are put together, checksums verified.
   *
   * @throws `NotFound` for a name that is not there or a missing data file, `Corrupt` for one that is damaged
   */
  read(name: string, signal?: AbortSignal): Promise<HostTensor>
}

const latin = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

class OpenedCheckpoint implements Checkpoint {
  readonly entries = new Map<string, CheckpointEntry>()
  /** Messages by key, the key's bytes as a Latin-1 text: keys of slices are no UTF-8. */
  private readonly messages = new Map<string, tensorflow.BundleEntryProto>()
  private readonly sizes = new Map<number, Promise<number>>()
  private shards = 0

  constructor(readonly prefix: string, index: Uint8Array) {
    const source = `${prefix}.index`
    const text = new TextDecoder('utf-8', { fatal: true })
    for (const { key, value } of readTable(index, source)) {
      try {
        if (key.length === 0) {
          this.readHeader(tensorflow.BundleHeaderProto.decode(value), source)
          continue
        }
        const message = tensorflow.BundleEntryProto.decode(value)
        this.messages.set(latin(key), message)
        // A name never begins with a zero byte, the key of a slice always does.
        if (key[0] !== 0) {
          const name = text.decode(key)
          const use = `the tensor ${name}`
          this.entries.set(name, { name, dtype: readDtype(message.dtype, use), shape: knownShape(message.shape, use), slices: message.slices?.length ?? 0 })
        }
      } catch (thrown) {
        throw isMillraceError(thrown) ? thrown.at({ source }) : corruptEntry(latin(key), 'its description cannot be read', source, thrown)
      }
    }
    if (this.shards === 0) throw failure({ tag: 'Corrupt', code: 'CHECKPOINT_HEADER', problem: 'the index of the checkpoint has no header', position: { source } })
  }

  private readHeader(header: tensorflow.BundleHeaderProto, source: string): void {
    this.shards = header.numShards ?? 0
    const big = header.endianness === tensorflow.BundleHeaderProto.Endianness.BIG
    if (big || (header.version?.minConsumer ?? 0) > 1) {
      throw failure({
        tag: 'Corrupt',
        code: 'CHECKPOINT_VERSION',
        problem: big ? 'the checkpoint was written on a big-endian machine' : `the checkpoint needs a reader of version ${header.version?.minConsumer}; this one is version 1`,
        position: { source },
      })
    }
  }

  async read(name: string, signal?: AbortSignal): Promise<HostTensor> {
    const entry = this.entries.get(name)
    if (entry === undefined) {
      throw failure({
        tag: 'NotFound',
        code: 'NO_SUCH_TENSOR',
        problem: `the checkpoint holds no tensor named ${name}`,
        remedy: `It holds: ${[...this.entries.keys()].slice(0, 10).join(', ')}${this.entries.size > 10 ? ', …' : ''}.`,
        position: { source: `${this.prefix}.index` },
      })
    }
    const message = this.messages.get(latin(new TextEncoder().encode(name)))!
    return entry.slices === 0 ? this.readEntry(message, entry.dtype, entry.shape, name, signal) : this.readSlices(entry, message, signal)
  }

  private shardSize(shard: number): Promise<number> {
    const known = this.sizes.get(shard)
    if (known !== undefined) return known
    const url = this.shardUrl(shard)
    const size = storageFor(url).stat(url).then((info) => info.size ?? Number.MAX_SAFE_INTEGER)
    this.sizes.set(shard, size)
    return size
  }

  private shardUrl(shard: number): string {
    return shardName(`${this.prefix}.data`, shard, this.shards)
  }

  private async readEntry(message: tensorflow.IBundleEntryProto, dtype: DType, shape: readonly number[], name: string, signal: AbortSignal | undefined): Promise<HostTensor> {
    throwIfAborted(signal)
    const shard = message.shardId ?? 0
    const offset = int64ToNumber(message.offset)
    const size = int64ToNumber(message.size)
    const source = this.shardUrl(shard)
    if (shard < 0 || shard >= this.shards) throw corruptEntry(name, `it lies in data file ${shard} of ${this.shards}`, `${this.prefix}.index`)
    const available = await this.shardSize(shard)
    if (offset < 0 || size < 0 || offset + size > available) throw corruptEntry(name, `its ${size} bytes at ${offset} lie outside the data file of ${available} bytes`, source)
    if (size > MAX_TENSOR_BYTES) throw failure({ tag: 'Limit', code: 'TENSOR_TOO_LARGE', problem: `the tensor ${name} has ${size} bytes, more than one array holds`, position: { source } })
    const count = sizeOf(shape)
    const width = dtypeBytes(dtype)
    if (width !== undefined && count * width !== size) throw corruptEntry(name, `its ${size} bytes do not fit ${dtype}[${shape.join(',')}]`, source)
    const bytes = await readRange(source, offset, size, signal)
    const crc = unmaskCrc32c(message.crc32c ?? 0)
    if (width !== undefined) {
      if (crc32c(bytes) !== crc) throw corruptEntry(name, 'its checksum does not match', source)
      return numericTensor(dtype, shape, elementsFromBytes(dtype, bytes))
    }
    if (dtype !== 'string') throw failure({ tag: 'Model', code: 'UNKNOWN_DTYPE', problem: `the tensor ${name} is a ${dtype}, which Millrace does not read from checkpoints`, position: { source } })
    const { strings, crc: found } = readStrings(bytes, count, `the tensor ${name}`)
    if (found !== crc) throw corruptEntry(name, 'its checksum does not match', source)
    return stringTensor(shape, strings)
  }

  private async readSlices(entry: CheckpointEntry, message: tensorflow.IBundleEntryProto, signal: AbortSignal | undefined): Promise<HostTensor> {
    const { name, dtype, shape } = entry
    const source = `${this.prefix}.index`
    const width = dtypeBytes(dtype)
    if (width === undefined) throw corruptEntry(name, `slices of ${dtype} tensors are not written by TensorFlow`, source)
    const total = sizeOf(shape)
    const stored: { slice: TensorSlice; message: tensorflow.IBundleEntryProto }[] = []
    let covered = 0
    for (const proto of message.slices ?? []) {
      const slice: TensorSlice = {
        extents: (proto.extent ?? []).map((extent) => ({ start: int64ToNumber(extent.start), length: extent.length === null || extent.length === undefined ? -1 : int64ToNumber(extent.length) })),
      }
      const found = this.messages.get(latin(sliceKey(name, slice)))
      if (found === undefined || slice.extents.length !== shape.length) throw corruptEntry(name, 'one of its slices is missing', source)
      covered += sizeOf(sliceShape(slice, shape, name, source))
      stored.push({ slice, message: found })
    }
    // Before allocating: only what the data files hold is made room for.
    if (covered !== total) throw corruptEntry(name, `its slices hold ${covered} of ${total} elements`, source)
    const parts: { slice: TensorSlice; value: HostTensor }[] = []
    for (const { slice, message: part } of stored) parts.push({ slice, value: await this.readEntry(part, dtype, sliceShape(slice, shape, name, source), name, signal) })
    const whole = allocate(dtype, total)
    for (const { slice, value } of parts) copySlice(whole, shape, value, slice.extents.map(({ start }) => start))
    return numericTensor(dtype, shape, whole)
  }
}

const corruptEntry = (name: string, problem: string, source: string, cause?: unknown): Error =>
  failure({ tag: 'Corrupt', code: 'CHECKPOINT_ENTRY', problem: `the tensor ${name} cannot be read: ${problem}`, remedy: 'Copy the checkpoint again, index and data files together.', position: { source }, cause })

const sliceShape = (slice: TensorSlice, shape: readonly number[], name: string, source: string): number[] => slice.extents.map(({ start, length }, i) => {
  const size = length === -1 ? shape[i]! : length
  if (start < 0 || size < 0 || start + size > shape[i]!) throw corruptEntry(name, 'one of its slices lies outside its shape', source)
  return size
})

/** Copies a box into the whole, innermost runs at a time. */
const copySlice = (whole: NumericData, shape: readonly number[], part: HostTensor, starts: readonly number[]): void => {
  const run = part.shape[part.shape.length - 1] ?? 1
  if (run === 0) return
  const strides = shape.map((_, i) => sizeOf(shape.slice(i + 1)))
  const index = part.shape.map(() => 0)
  const data = part.data as NumericData
  for (let from = 0; from < data.length; from += run) {
    const to = index.reduce((sum, at, i) => sum + (at + starts[i]!) * strides[i]!, 0)
    ;(whole as Float32Array).set((data as Float32Array).subarray(from, from + run), to)
    for (let i = index.length - 2; i >= 0; i--) {
      if (++index[i]! < part.shape[i]!) break
      index[i] = 0
    }
  }
}

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

/**
 * Opens a checkpoint (TensorBundle): `model.ckpt-100`, or the `variables/variables` of a SavedModel.
 *
 * @param prefix - path or URL without `.index`
 * @throws `NotFound`, `Corrupt`, `Limit`
 */
export const openCheckpoint = async (prefix: string, signal?: AbortSignal): Promise<Checkpoint> => {
  const source = `${prefix}.index`
  const index = await readWhole(source, { limitBytes: MAX_INDEX_BYTES, signal })
  try {
    return new OpenedCheckpoint(prefix, index)
  } catch (thrown) {
    throw fromUnknown(thrown, { source })
  }
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
      progress?.({ stage: `reading ${prefix}`, done, unit: 'bytes', finished: tensors.size === names.length })
    }
    return tensors
  })
