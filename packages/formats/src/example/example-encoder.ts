import { requireColumn, type Batch, type ColumnMap, type Schema } from '@millrace/core'
import type { ByteBuffer } from './byte-buffer.js'
import { featureShape } from './feature-kinds.js'
import { FeatureWriter, putVarint, varintSize } from './feature-writer.js'

/** Bytes of a length, at most. */
const MAX_LENGTH_BYTES = 5

/**
 * Encodes rows of batches as serialized tf.train.Example messages, straight from the columns' buffers.
 *
 * Features come in the order of the schema, numbers packed. A null is left out, an empty list is a feature with an empty list.
 */
export class ExampleEncoder<S extends Schema = Schema> {
  /** One a column. @internal */
  readonly writers: readonly FeatureWriter[]
  private lengthBytes = 1

  /**
   * @param columns - the columns to encode, in this order. Default: all
   * @throws `Schema` for a column that is not there or that a tf.train.Example cannot hold
   */
  constructor(
    readonly schema: S,
    readonly columns: readonly string[] = Object.keys(schema),
  ) {
    this.writers = columns.map((name) => {
      featureShape(name, requireColumn(schema, name, 'the encoder of tf.train.Example'))
      return new FeatureWriter(name)
    })
  }

  /** Takes up a batch, whose rows `encode` then writes. @throws `Schema` for nulls within lists, `BadRecord` for a finite float64 beyond the range of float32 */
  bind(batch: Batch<S>): void {
    for (const writer of this.writers) writer.bind((batch.columns as ColumnMap)[writer.name]!)
  }

  /** Appends row `row` of the bound batch to `out`. */
  encode(row: number, out: ByteBuffer): void {
    const { writers } = this
    let most = 1 + MAX_LENGTH_BYTES
    for (let i = 0; i < writers.length; i++) most += writers[i]!.prepare(row)
    out.reserve(most)
    const { bytes, length: start } = out
    // The length goes in front, and most likely takes as many bytes as that of the record before.
    let first = start + 1 + this.lengthBytes
    let at = first
    for (let i = 0; i < writers.length; i++) at = writers[i]!.write(bytes, at, row)
    const features = at - first
    const lengthBytes = varintSize(features)
    if (lengthBytes !== this.lengthBytes) {
      bytes.copyWithin(start + 1 + lengthBytes, first, at)
      this.lengthBytes = lengthBytes
      first = start + 1 + lengthBytes
    }
    bytes[start] = 10
    putVarint(bytes, start + 1, features)
    out.length = first + features
  }
}
