import { failure, job, throwIfAborted, withOutputSet, type IfExists, type Job, type Output } from '@millrace/core'
import { crc32c, maskCrc32c } from '@millrace/formats'
import { dtypeNumbers, isStringData, type TensorValue } from '../graph/index.js'
import { encodeShape } from '../graph/shape.js'
import { littleEndianBytes, stringBytes } from '../graph/tensor-value.js'
import { tensorflow, toInt64 } from '../proto/index.js'
import { encodeStrings } from './encode-strings.js'
import { encodeTable, type TableRow } from './encode-table.js'

/** A variable and its value. */
export interface NamedTensor {
  readonly name: string
  readonly value: TensorValue
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

const encodeValue = (name: string, value: TensorValue): { readonly bytes: Uint8Array; readonly crc: number } => {
  if (isStringData(value.data)) return encodeStrings(stringBytes(value.data))
  if (!(value.dtype in dtypeNumbers) || value.dtype === 'resource' || value.dtype === 'variant') {
    throw failure({ tag: 'Usage', code: 'CHECKPOINT_DTYPE', problem: `"${name}" is of dtype ${value.dtype}, which checkpoints do not hold` })
  }
  const bytes = littleEndianBytes(value.data)
  return { bytes, crc: crc32c(bytes) }
}

const encoder = new TextEncoder()

/**
 * Writes a checkpoint in TensorFlow's TensorBundle format (`tensorflow/core/util/tensor_bundle/`): `<prefix>.index` and
 * `<prefix>.data-00000-of-00001`. Both appear under their names when both are whole.
 *
 * @throws `Usage` when two tensors have one name; `AlreadyExists`
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
        const { bytes, crc } = encodeValue(name, value)
        const entry: tensorflow.BundleEntryProto.$Properties = {
          dtype: dtypeNumbers[value.dtype] as tensorflow.DataType,
          shape: encodeShape(value.shape),
          offset: toInt64(offset),
          size: toInt64(bytes.length),
          crc32c: maskCrc32c(crc),
        }
        rows.set(name, { key: encoder.encode(name), value: tensorflow.BundleEntryProto.encode(entry).finish() })
        await data.write(bytes)
        offset += bytes.length
        progress?.({ stage: 'writing variables', done: offset, unit: 'bytes' })
      }
      const header = { key: new Uint8Array(0), value: tensorflow.BundleHeaderProto.encode({ numShards: 1, version: { producer: 1 } }).finish() }
      const sorted = [...rows.values()].sort((a, b) => Buffer.compare(a.key, b.key))
      await index.write(encodeTable([header, ...sorted]))
      progress?.({ stage: 'writing variables', done: offset, total: offset, unit: 'bytes', finished: true })
      return { prefix, tensors: rows.size, bytes: offset }
    })
  })
