import { randomBytes } from 'node:crypto'
import { basename } from 'node:path/posix'
import {
  committingShardsName, failure, job, markerText, pendingManifest, requireOptions, shardGlob, shardNames, Tally, throwIfAborted, withOutputSet,
  type Batch, type IfExists, type Job, type Mode, type OptionRules, type RunContext, type Schema, type SetMarker, type Stream, type TallySummary,
} from '@millrace/core'
import { ExampleEncoder } from '../example/index.js'
import { requireCompression, type Compression } from '../compression/index.js'
import { folderRules, requireFolderOptions, type FolderOptions, type HasColumns } from '../writing/folder-options.js'
import { writeFiles } from '../writing/write-files.js'
import { exampleFormat } from './example-writer.js'
import { contentOf, MANIFEST_FORMAT, manifestColumns, manifestName, manifestText, type ShardManifest } from './shard-manifest.js'
import { ShardRows, type RowEncoder } from './shard-rows.js'
import { ShardWriter } from './shard-writer.js'

/** The names have five digits. */
const MAX_SHARDS = 99999

/** Options of {@link writeTfRecords}. */
export interface WriteTfRecordsOptions<K extends string = string> extends FolderOptions<K> {
  /** Number of files, with `partitionBy` in each partition. Default 1. */
  readonly shards?: number | undefined
  /** How the files are packed. The names do not show it, and readers find it out. Default `none`. */
  readonly compression?: Compression | undefined
  /**
   * What to do when files of that name exist. `replace` also removes the shards of another count; with `partitionBy` all `part-…` files in
   * the folder, while `append` leaves them. Default `fail`.
   */
  readonly ifExists?: IfExists | 'append' | undefined
  /** The columns to write. Default: all. */
  readonly columns?: readonly string[] | undefined
}

const rules: OptionRules<WriteTfRecordsOptions> = { ...folderRules, compression: 'any', columns: 'any' }

/** What {@link writeTfRecords} wrote. */
export interface WriteReport {
  /** The files, in the order of the shards. */
  readonly files: readonly string[]
  readonly rows: number
  /** Bytes of all files together. */
  readonly bytes: number
  /** What became of the records of the sources. */
  readonly tally: TallySummary
}

const checkedShards = (shards: number): number => {
  if (Number.isInteger(shards) && shards >= 1 && shards <= MAX_SHARDS) return shards
  throw failure({ tag: 'Usage', code: 'BAD_SHARDS', problem: `shards is ${shards}`, remedy: `Give a whole number from 1 to ${MAX_SHARDS}.` })
}

/**
 * Writes rows as TFRecord files of tf.train.Example: `prefix-00000-of-00004`, ….
 *
 * Row `r` of the stream goes to shard `r mod shards`, however the stream is cut into batches, so that a stream of stable order
 * gives the same bytes each time. float64 is rounded to float32, and uint64 stored as the int64 of the same bits: a
 * tf.train.Example knows no others. All files appear together when the last is complete; on failure none does. Beside them is
 * `.prefix.manifest.json`, a {@link ShardManifest}, by which readers refuse shards that are not of one set: those of a process that was
 * killed when it replaced an earlier set.
 *
 * With `partitionBy`, a folder of files is written instead: `part-00000.tfrecord` and so on in folders of partitions, `_SUCCESS`, and the
 * manifest of them all, `.manifest.json`, which `append` adds to.
 *
 * @param prefix - path or URL of the files without their shard suffix, or of the folder
 * @throws `AlreadyExists`, `Storage`, `Schema` for columns that a tf.train.Example cannot hold, `BadRecord` for a finite float64 beyond the range of
 * float32 (NaN and infinities are written as they are), and what the stream throws
 * @example
 * const report = await run(pipe(train, writeTfRecords('out/train', { shards: 4, compression: 'gzip' })))
 */
export const writeTfRecords =
  <const K extends string = never>(prefix: string, options: WriteTfRecordsOptions<K> = {}) =>
  <S extends Schema, M extends Mode>(stream: Stream<S, M> & HasColumns<S, K>): Job<WriteReport> => {
    requireOptions('writeTfRecords', options, rules)
    return options.partitionBy === undefined
      ? writeSet('writeTfRecords', prefix, options, (schema) => new ExampleEncoder(schema, options.columns), stream)
      : writeFiles('writeTfRecords', prefix, options, () => exampleFormat(options.compression ?? 'none', options.columns, contentOf(stream.plan)), stream)
  }

/**
 * A job that writes rows as a set of shards with their manifest.
 *
 * @param use - who writes, for errors
 * @param makeEncoder - called when the job runs
 */
export const writeSet = <S extends Schema, M extends Mode>(
  use: string,
  prefix: string,
  options: Omit<WriteTfRecordsOptions, 'columns'>,
  makeEncoder: (schema: Schema) => RowEncoder,
  stream: Stream<S, M>,
): Job<WriteReport> =>
  job(async (context) => {
    requireFolderOptions({ ...options, shards: undefined }, use)
    const { compression = 'none' } = options
    const ifExists = options.ifExists as IfExists | undefined
    requireCompression(compression)
    const files = shardNames(prefix, checkedShards(options.shards ?? 1))
    const schema = await stream.findSchema(context)
    const encoder = makeEncoder(schema)
    const tally = new Tally(context.tally)
    const manifestUrl = manifestName(prefix)
    // Shards of which none is replaced tell by their names that one is missing, and their manifest is that of the job that was first.
    const markers = ifExists === 'replace' ? [await committingShards(prefix, context.signal), { url: manifestUrl, pending: pendingManifest(MANIFEST_FORMAT) }] : []
    const { rows, bytes } = await withOutputSet([...files, manifestUrl], { ifExists, signal: context.signal, stale: shardGlob(prefix), markers }, async (opened) => {
      const shards = opened.slice(0, -1).map((output) => new ShardWriter(output, compression))
      try {
        const written = await writeShards(stream.open({ ...context, tally }), encoder, shards, prefix, context)
        const manifest: ShardManifest = {
          format: MANIFEST_FORMAT, version: 1, holds: contentOf(stream.plan), compression, rows: written.rows,
          shards: shards.map((shard, index) => ({ file: basename(files[index]!), rows: shard.rows, bytes: shard.packed.bytes })),
          columns: manifestColumns(schema, encoder.columns),
        }
        await opened.at(-1)!.write(Buffer.from(manifestText(manifest)))
        return written
      } finally {
        for (const shard of shards) shard.packed.destroy()
      }
    })
    return { files, rows, bytes, tally: tally.summary() }
  })

/** What keeps two jobs from replacing one set at one time. */
const committingShards = async (prefix: string, signal: AbortSignal | undefined): Promise<SetMarker> => {
  const url = committingShardsName(prefix)
  const pending = pendingManifest(MANIFEST_FORMAT, { job: randomBytes(4).toString('hex') })
  return { url, pending, ifExists: 'fail', leftover: await markerText(url, signal) }
}

const writeShards = async (
  batches: AsyncIterable<Batch>,
  encoder: RowEncoder,
  shards: readonly ShardWriter[],
  prefix: string,
  { signal, progress }: RunContext,
): Promise<{ readonly rows: number; readonly bytes: number }> => {
  const rows = new ShardRows(encoder, shards)
  for await (const batch of batches) {
    throwIfAborted(signal)
    await rows.write(batch, signal)
    progress?.({ stage: `writing ${prefix}`, done: rows.count, unit: 'rows' })
  }
  await rows.finish()
  let bytes = 0
  for (const shard of shards) {
    await shard.flush()
    await shard.packed.end()
    bytes += shard.packed.bytes
  }
  progress?.({ stage: `writing ${prefix}`, done: rows.count, unit: 'rows', finished: true })
  return { rows: rows.count, bytes }
}
