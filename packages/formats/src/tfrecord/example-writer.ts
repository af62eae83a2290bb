import type { Batch, Output, Schema } from '@millrace/core'
import { packedEnding, requireCompression, type Compression } from '../compression/index.js'
import { ExampleEncoder } from '../example/index.js'
import type { FileFormat, FileWriter } from '../writing/file-writer.js'
import { ShardRows } from './shard-rows.js'
import { ShardWriter } from './shard-writer.js'

/** Rows between which the writer looks at the signal. */
const ROWS_AT_ONCE = 16_384

/** Writes one file of a folder; the kernel, whose memory is large, is left to sets of few files. */
class ExampleWriter implements FileWriter {
  readonly held = 0
  private readonly shard: ShardWriter
  private readonly rows: ShardRows

  constructor(output: Output, encoder: ExampleEncoder, compression: Compression) {
    this.shard = new ShardWriter(output, compression)
    this.rows = new ShardRows(encoder, [this.shard], false)
  }

  get bytes(): number {
    return this.shard.packed.bytes
  }

  write(batch: Batch): Promise<void> {
    return this.rows.write(batch)
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

/** TFRecord files of tf.train.Example in folders; their names end as Hadoop's codecs are named, by which it unpacks them. */
export const exampleFormat = (compression: Compression, columns: readonly string[] | undefined): FileFormat => {
  requireCompression(compression)
  return {
    ending: `.tfrecord${packedEnding(compression)}`,
    groupRows: ROWS_AT_ONCE,
    open: (output, schema: Schema) => new ExampleWriter(output, new ExampleEncoder<Schema>(schema, columns?.filter((name) => Object.hasOwn(schema, name))), compression),
  }
}
