import type { OptionRules, Row, Schema, Stream } from '@millrace/core'
import { ExampleDecoder } from '../example/index.js'
import { exampleSink } from './kernel-sink.js'
import { readFiles, type FileReader } from '../reading/read-files.js'
import { requireReading } from '../reading/require-reading.js'
import { recordFiles, recordStreamRules, type RecordStreamOptions } from './record-stream.js'
import { defaultsOf, wantedFields } from './wanted-fields.js'

/** Options of {@link readTfRecords}. */
export interface ReadTfRecordsOptions<S extends Schema> extends RecordStreamOptions<S> {
  /** The features to read; others in the records are passed over. */
  readonly schema: S
  /** Values of features that a record lacks, by column. Default: null where the field is nullable, else the record is bad. */
  readonly defaults?: Partial<Row<S>> | undefined
}

export const tfRecordRules: OptionRules<ReadTfRecordsOptions<Schema>> = { schema: 'any', ...recordStreamRules, defaults: 'any' }

/**
 * Reads TFRecord files of tf.train.Example into typed columns.
 *
 * Integers, booleans, dates (days) and timestamps (in the field's unit) come from `int64_list`, floats from `float_list`, texts,
 * bytes, decimals and dictionaries from `bytes_list`, lists from all values of a feature. A feature that is absent is null. Files
 * come in the order of `expandInputs`, records in that of the file. Both checksums of every record are checked.
 *
 * @param source - a path or URL, a folder, a glob, a shard specification (`train@4`), or a list of these
 * @returns a stream with native positions: the file, byte and record, where packed files are inflated again from their beginning
 * @throws `BadRecord` TFRECORD_DATA_CRC and EXAMPLE_… (see `onBadRecord`); `Corrupt` TFRECORD_LENGTH_CRC, TFRECORD_TRUNCATED,
 *   COMPRESSED_…; `Limit` TFRECORD_TOO_LONG, INFLATION_LIMIT
 * @example
 * const flights = readTfRecords('out/train-*', { schema: { origin: field.utf8(), delay: field.int32() } })
 */
export const readTfRecords = <S extends Schema>(source: string | readonly string[], options: ReadTfRecordsOptions<S>): Stream<S, 'cold'> => readFiles(tfRecordFiles(source, options))

/** How files of tf.train.Examples are read. */
export const tfRecordFiles = <S extends Schema>(source: string | readonly string[], options: ReadTfRecordsOptions<S>): FileReader<S> => {
  requireReading('readTfRecords', source, options, { options: tfRecordRules })
  const { schema, defaults } = options
  // Made once here so that a schema that cannot be read is told at once, not when the stream is opened.
  new ExampleDecoder(schema, { defaults })
  return recordFiles<S>({
    format: 'tfrecord',
    source,
    schema,
    options,
    planOptions: { columns: Object.keys(schema), compression: options.compression ?? 'auto' },
    sink: (context, batchRows, own) => exampleSink(wantedFields(own, options, context) as S, { defaults: defaultsOf(own, defaults), batchRows, maxRecordBytes: options.maxRecordBytes }),
  })
}
