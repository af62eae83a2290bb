import type { Batch, Output, Schema } from '@millrace/core'
import { packedEnding, requireCompression, type Compression } from '../compression/index.js'
import { ExampleEncoder } from '../example/index.js'
import type { FileFormat, FileWriter } from '../writing/file-writer.js'
import { addedManifest, MANIFEST_FORMAT, manifestColumns, manifestText, parseManifest, type ShardContent, type ShardManifest } from './shard-manifest.js'
import { RowKernel, ShardRows } from './shard-rows.js'
import { ShardWriter } from './shard-writer.js'

/** Rows between which the writer looks at the signal. */
const ROWS_AT_ONCE = 16_384

/** The encoder of the files of a folder, and its kernel, whose memory is large: one for all of them. */
interface SharedEncoder {
  readonly schema: Schema
  readonly encoder: ExampleEncoder
  readonly kernel: RowKernel
}

/** Writes one file of a folder. */
class ExampleWriter implements FileWriter {
  readonly held = 0
  readonly heldBytes = 0
  private readonly shard: ShardWriter
  private readonly rows: ShardRows

  constructor(output: Output, { encoder, kernel }: SharedEncoder, compression: Compression) {
    this.shard = new ShardWriter(output, compression)
    this.rows = new ShardRows(encoder, [this.shard], kernel)
  }

  get bytes(): number {
    return this.shard.packed.bytes
  }

  async write(batch: Batch): Promise<void> {
    await this.rows.write(batch)
    // The next batch may be one of another file.
    await this.rows.takeHeld()
  }

  flush(): Promise<void> {
    return this.shard.flush()
  }

  async end(): Promise<void> {
    await this.rows.finish()
    await this.shard.packed.end()
  }

  destroy(): void {
    this.shard.packed.destroy()
  }
}

/**
 * TFRecord files of tf.train.Example in folders; their names end as Hadoop's codecs are named, by which it unpacks them.
 *
 * @param holds - what the rows are, for the manifest
 */
export const exampleFormat = (compression: Compression, columns: readonly string[] | undefined, holds: ShardContent): FileFormat => {
  requireCompression(compression)
  const written = (schema: Schema): readonly string[] => columns?.filter((name) => Object.hasOwn(schema, name)) ?? Object.keys(schema)
  let shared: SharedEncoder | undefined
  const encoderFor = (schema: Schema): SharedEncoder => {
    if (shared?.schema === schema) return shared
    const encoder = new ExampleEncoder<Schema>(schema, written(schema))
    return (shared = { schema, encoder, kernel: new RowKernel(encoder) })
  }
  return {
    ending: `.tfrecord${packedEnding(compression)}`,
    groupRows: ROWS_AT_ONCE,
    open: (output, schema) => new ExampleWriter(output, encoderFor(schema), compression),
    manifest: ({ files, schema, earlier, source }) => {
      const added: ShardManifest = {
        format: MANIFEST_FORMAT, version: 1, holds, compression, rows: files.reduce((sum, { rows }) => sum + rows, 0), shards: files, columns: manifestColumns(schema, written(schema)),
      }
      return manifestText(earlier === undefined ? added : addedManifest(parseManifest(earlier, source), added, source))
    },
  }
}
