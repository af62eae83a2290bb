import { requireOptions, type IfExists, type Job, type Mode, type OptionRules, type Schema, type Stream } from '@millrace/core'
import { SequenceExampleEncoder, type SequenceColumns } from '../sequence/index.js'
import { writeSet, type WriteReport, type WriteTfRecordsOptions } from './write-tfrecords.js'

/** Options of {@link writeSequenceExamples}. */
export interface WriteSequenceExamplesOptions extends Pick<WriteTfRecordsOptions, 'shards' | 'compression'>, SequenceColumns {
  /** What to do when files of that name exist. `replace` also removes the shards of another count. Default `fail`. */
  readonly ifExists?: IfExists | undefined
}

const rules: OptionRules<WriteSequenceExamplesOptions> = { context: 'any', featureLists: 'any', shards: 'any', compression: 'any', ifExists: 'any' }

/**
 * Writes rows as TFRecord files of tf.train.SequenceExample, with shards, packing and manifest as `writeTfRecords` has them.
 *
 * @param prefix - path or URL of the files without their shard suffix
 * @throws `AlreadyExists`, `Storage`, `Schema` for columns that do not fit where they are to go, `BadRecord` for a finite float64 beyond the range of float32, and what the stream throws
 * @example
 * const report = await run(pipe(sessions, writeSequenceExamples('out/sessions', { featureLists: ['price', 'tags'] })))
 */
export const writeSequenceExamples =
  (prefix: string, options: WriteSequenceExamplesOptions) =>
  <S extends Schema, M extends Mode>(stream: Stream<S, M>): Job<WriteReport> => {
    requireOptions('writeSequenceExamples', options, rules)
    return writeSet('writeSequenceExamples', prefix, options, (schema) => new SequenceExampleEncoder(schema, options), stream)
  }
