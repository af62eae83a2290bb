import { failure, job, throwIfAborted, withOutputSet, type IfExists, type Job, type Output } from '@millrace/core'
import { crc32c, maskCrc32c } from '@millrace/formats'
import { dtypeNumbers, isStringData, type DType, type NumericData, type TensorValue } from '../graph/index.js'
import { encodeShape } from '../graph/shape.js'
import { littleEndianBytes, stringBytes } from '../graph/tensor-value.js'
import { tensorflow, toInt64 } from '../proto/index.js'
import { dtypeBytes } from '../tensor/dtypes.js'
import { sizeOf } from '../tensor/host-tensor.js'
import { encodeStrings } from './encode-strings.js'
import { encodeTable, type TableRow } from './encode-table.js'

/** A numeric tensor that comes piece by piece, so that it never has to be in memory whole. */
export interface TensorBlocks {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** The elements in row-major order; together as many as the shape says. */
  readonly blocks: AsyncIterable<NumericData>
}

/** A variable and its value. */
export interface NamedTensor {
  readonly name: string
  readonly value: TensorValue | TensorBlocks
}

/** What a checkpoint's writer wrote. */
export interface CheckpointReport {
  /** What `tf.train.load_checkpoint` takes. */
  readonly prefix: string
  readonly tensors: number
  /** Bytes of the data file. */
  readonly bytes: number
}

/** Options of {@link writeCheckpoint}. */
export interface WriteCheckpointOptions {
  /** Default `fail`. */
  readonly ifExists?: IfExists | undefined
}

/** A tensor's bytes, in pieces; of strings also the CRC, which is not that of the bytes. */
interface Encoded {
  readonly pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
  readonly crc: number | undefined
}

async function* blockBytes(name: string, { dtype, shape, blocks }: TensorBlocks): AsyncGenerator<Uint8Array> {
  const wanted = sizeOf(shape) * (dtypeBytes(dtype) ?? 0)
  let given = 0
  for await (const block of blocks) {
    const bytes = littleEndianBytes(block)
    given += bytes.length
    yield bytes
  }
  if (given === wanted) return
  throw failure({ tag: 'Usage', code: 'CHECKPOINT_BLOCKS', problem: `the blocks of "${name}" have ${given} bytes, and ${dtype}[${shape.join(',')}] has ${wanted}` })
}

const encodeValue = (name: string, value: TensorValue | TensorBlocks): Encoded => {
  if ('data' in value && isStringData(value.data)) {
    const { bytes, crc } = encodeStrings(stringBytes(value.data))
    return { pieces: [bytes], crc }
  }
  if (dtypeBytes(value.dtype) === undefined) {
    throw failure({ tag: 'Usage', code: 'CHECKPOINT_DTYPE', problem: `"${name}" is of dtype ${value.dtype}, which checkpoints do not hold` })
  }
  return { pieces: 'data' in value ? [littleEndianBytes(value.data as NumericData)] : blockBytes(name, value), crc: undefined }
}

const encoder = new TextEncoder()

/**
 * Writes a checkpoint in TensorFlow's TensorBundle format (`tensorflow/core/util/tensor_bundle/`): `<prefix>.index` and
 * `<prefix>.data-00000-of-00001`. Both appear under their names when both are whole.
 *
 * @throws `Usage` when two tensors have one name, or blocks are more or fewer than their tensor; `AlreadyExists`
 */
export const writeCheckpoint = (
  prefix: string,
  tensors: Iterable<NamedTensor> | AsyncIterable<NamedTensor>,
  options: WriteCheckpointOptions = {},
): Job<CheckpointReport> =>
  job(async ({ signal, progress }) => {
    const urls = [`${prefix}.data-00000-of-00001`, `${prefix}.index`]
    return withOutputSet(urls, { ifExists: options.ifExists ?? 'fail', signal }, async (outputs) => {
      const [data, index] = outputs as readonly [Output, Output]
      const rows = new Map<string, TableRow>()
      let offset = 0
      for await (const { name, value } of tensors) {
        throwIfAborted(signal)
        if (name === '' || rows.has(name)) {
          throw failure({ tag: 'Usage', code: 'CHECKPOINT_NAME', problem: name === '' ? 'a tensor has no name' : `two tensors are named "${name}"` })
        }
        const encoded = encodeValue(name, value)
        let [size, crc] = [0, 0]
        for await (const bytes of encoded.pieces) {
          throwIfAborted(signal)
          crc = crc32c(bytes, 0, bytes.length, crc)
          await data.write(bytes)
          size += bytes.length
          progress?.({ stage: 'writing variables', done: offset + size, unit: 'bytes' })
        }
        const entry: tensorflow.BundleEntryProto.$Properties = {
          dtype: dtypeNumbers[value.dtype] as tensorflow.DataType,
          shape: encodeShape(value.shape),
          offset: toInt64(offset),
          size: toInt64(size),
          crc32c: maskCrc32c(encoded.crc ?? crc),
        }
        rows.set(name, { key: encoder.encode(name), value: tensorflow.BundleEntryProto.encode(entry).finish() })
        offset += size
      }
      const header = { key: new Uint8Array(0), value: tensorflow.BundleHeaderProto.encode({ numShards: 1, version: { producer: 1 } }).finish() }
      const sorted = [...rows.values()].sort((a, b) => Buffer.compare(a.key, b.key))
      await index.write(encodeTable([header, ...sorted]))
      progress?.({ stage: 'writing variables', done: offset, total: offset, unit: 'bytes', finished: true })
      return { prefix, tensors: rows.size, bytes: offset }
    })
  })
