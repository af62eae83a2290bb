import { field, type Binary, type Stream } from '@millrace/core'
import { readFiles, type FileReader } from '../reading/read-files.js'
import { PayloadSink } from './payload-sink.js'
import { requireReading } from '../reading/require-reading.js'
import { recordFiles, recordStreamRules, type RecordStreamOptions } from './record-stream.js'

/** The schema of {@link readRawRecords}. */
export type RawRecords = { readonly record: Binary }

const schema: RawRecords = { record: field.binary() }

/**
 * Reads the payloads of TFRecord files as they are, one column `record` of bytes: for messages other than tf.train.Example.
 *
 * @param source - a path or URL, a folder, a glob, a shard specification (`train@4`), or a list of these
 * @throws as `readTfRecords` does for the framing
 */
export const readRawRecords = (source: string | readonly string[], options: RecordStreamOptions = {}): Stream<RawRecords, 'cold'> => readFiles(rawRecordFiles(source, options))

/** How files of records are read as they are. */
export const rawRecordFiles = (source: string | readonly string[], options: RecordStreamOptions): FileReader<RawRecords> => {
  requireReading('readRawRecords', source, options, { options: recordStreamRules, findsSchema: true })
  return recordFiles<RawRecords>({
    format: 'records',
    source,
    schema,
    options,
    planOptions: { compression: options.compression ?? 'auto' },
    sink: () => new PayloadSink(schema, options.maxRecordBytes),
  })
}
