import { failure, requireColumn, requireOptions, type Batch, type BytesColumn, type IfExists, type Job, type Mode, type OptionRules, type Schema, type Stream } from '@millrace/core'
import type { ByteBuffer } from '../example/index.js'
import type { RawRecords } from './read-raw-records.js'
import type { RowEncoder } from './shard-rows.js'
import { writeSet, type WriteReport, type WriteTfRecordsOptions } from './write-tfrecords.js'

/** Options of {@link writeRawRecords}. */
export interface WriteRawRecordsOptions extends Pick<WriteTfRecordsOptions, 'shards' | 'compression'> {
  /** What to do when files of that name exist. `replace` also removes the shards of another count. Default `fail`. */
  readonly ifExists?: IfExists | undefined
}

const rules: OptionRules<WriteRawRecordsOptions> = { shards: 'any', compression: 'any', ifExists: 'any' }

const NAME = 'record'

/** Appends payloads as they are. */
class PayloadEncoder implements RowEncoder {
  readonly columns = [NAME]
  private payloads: BytesColumn | undefined

  constructor(schema: Schema) {
    const { kind, nullable } = requireColumn(schema, NAME, 'writeRawRecords')
    if (kind === 'binary' && !nullable) return
    throw failure({
      tag: 'Schema', code: 'NOT_RAW_RECORDS', problem: `writeRawRecords writes the bytes of a column, and this one is ${nullable ? 'nullable ' : ''}${kind}`,
      remedy: 'Make it field.binary(), or write its rows as tf.train.Example with writeTfRecords.', position: { column: NAME },
    })
  }

  bind(batch: Batch): void {
    this.payloads = (batch.columns as { readonly [name: string]: unknown })[NAME] as BytesColumn
  }

  encode(row: number, out: ByteBuffer): void {
    const { offsets, bytes } = this.payloads!
    out.append(bytes.subarray(offsets[row], offsets[row + 1]))
  }
}

/**
 * Writes the bytes of a column `record` as the payloads of TFRecord files, as `readRawRecords` reads them: messages of any kind, and
 * records of a quarantine that were mended. Shards, packing and manifest are as `writeTfRecords` has them.
 *
 * @param prefix - path or URL of the files without their shard suffix
 * @throws `AlreadyExists`, `Storage`, `Schema` without a column `record` of bytes, and what the stream throws
 * @example
 * await run(pipe(fromRows({ record: field.binary() }, mended.map((record) => ({ record }))), writeRawRecords('out/mended')))
 */
export const writeRawRecords =
  (prefix: string, options: WriteRawRecordsOptions = {}) =>
  <S extends RawRecords, M extends Mode>(stream: Stream<S, M>): Job<WriteReport> => {
    requireOptions('writeRawRecords', options, rules)
    return writeSet('writeRawRecords', prefix, options, (schema) => new PayloadEncoder(schema), stream)
  }
