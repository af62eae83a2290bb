import type { OptionRules, Row, Schema, Stream } from '@millrace/core'
import { SequenceExampleDecoder, type FeatureLists, type SequenceSchema } from '../sequence/index.js'
import { sequenceColumns } from '../sequence/sequence-decoder.js'
import { readFiles, type FileReader } from '../reading/read-files.js'
import { requireReading } from '../reading/require-reading.js'
import { recordFiles, recordStreamRules, type RecordStreamOptions } from './record-stream.js'
import { defaultsOf, wantedFields } from './wanted-fields.js'

/** Options of {@link readSequenceExamples}. */
export interface ReadSequenceExamplesOptions<C extends Schema, L extends FeatureLists> extends RecordStreamOptions<C & L>, SequenceSchema<C, L> {
  /**
   * Values of features and feature lists that a record lacks, by column. Default: null where the field is nullable, else the record
   * is bad. `[]` takes a feature list for empty, as `allow_missing` does in TensorFlow.
   */
  readonly defaults?: Partial<Row<C & L>> | undefined
}

const rules: OptionRules<ReadSequenceExamplesOptions<Schema, FeatureLists>> = { context: 'any', featureLists: 'any', ...recordStreamRules, defaults: 'any' }

/** Where nothing is read. */
type NoFields = Readonly<Record<never, never>>

/**
 * Reads TFRecord files of tf.train.SequenceExample into typed columns: features of the context as `readTfRecords` reads those of a
 * tf.train.Example, feature lists as lists of their steps.
 *
 * @param source - a path or URL, a folder, a glob, a shard specification (`train@4`), or a list of these
 * @returns a stream with native positions, of the columns of the context and then of the feature lists
 * @throws as `readTfRecords` does; `Schema` SEQUENCE_SAME_NAME, FEATURE_LIST_KIND
 * @example
 * const sessions = readSequenceExamples('out/sessions-*', {
 *   context: { user: field.int64() },
 *   featureLists: { price: field.list(field.float32()), tags: field.list(field.list(field.utf8())) },
 * })
 */
export const readSequenceExamples = <C extends Schema = NoFields, L extends FeatureLists = NoFields>(source: string | readonly string[], options: ReadSequenceExamplesOptions<C, L>): Stream<C & L, 'cold'> =>
  readFiles(sequenceExampleFiles(source, options))

/** How files of tf.train.SequenceExamples are read. */
export const sequenceExampleFiles = <C extends Schema = NoFields, L extends FeatureLists = NoFields>(source: string | readonly string[], options: ReadSequenceExamplesOptions<C, L>): FileReader<C & L> => {
  requireReading('readSequenceExamples', source, options, { options: rules, findsSchema: true })
  const { context: contextFields, featureLists, defaults } = options
  const schema = sequenceColumns(contextFields ?? {}, featureLists ?? {}) as C & L
  // Made once here so that a schema that cannot be read is told at once, not when the stream is opened.
  new SequenceExampleDecoder<C, L>(options, { defaults })
  return recordFiles<C & L>({
    format: 'tfrecord-sequence',
    source,
    schema,
    options,
    planOptions: { context: Object.keys(contextFields ?? {}), featureLists: Object.keys(featureLists ?? {}), compression: options.compression ?? 'auto' },
    sink: (context, _, own) => {
      const wanted = wantedFields(own, options, context)
      const part = <S extends Schema>(fields: S | undefined): S => Object.fromEntries(Object.entries(fields ?? {}).filter(([name]) => Object.hasOwn(wanted, name))) as unknown as S
      return new SequenceExampleDecoder<C, L>({ context: part(contextFields), featureLists: part(featureLists) }, { defaults: defaultsOf(wanted, defaults) })
    },
  })
}
