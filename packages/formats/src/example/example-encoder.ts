import { requireColumn, type Batch, type ColumnMap, type Schema } from '@millrace/core'
import type { ByteBuffer } from './byte-buffer.js'
import { featureShape } from './feature-kinds.js'
import { FeatureWriter, putVarint, varintSize } from './feature-writer.js'

/**
 * Encodes rows of batches as serialized tf.train.Example messages, straight from the columns' buffers.
 *
 * Features come in the order of the schema, numbers packed. A null is left out, an empty list is a feature with an empty list.
 */
export class ExampleEncoder<S extends Schema = Schema> {
  private readonly writers: readonly FeatureWriter[]

  /**
   * @param columns - the columns to encode, in this order. Default: all
   * @throws `Schema` for a column that is not there or that a tf.train.Example cannot hold
   */
  constructor(
    readonly schema: S,
    columns: readonly string[] = Object.keys(schema),
  ) {
    this.writers = columns.map((name) => {
      featureShape(name, requireColumn(schema, name, 'the encoder of tf.train.Example'))
      return new FeatureWriter(name)
    })
  }

  /** Takes up a batch, whose rows `encode` then writes. @throws `Schema` for nulls within lists */
  bind(batch: Batch<S>): void {
    for (const writer of this.writers) writer.bind((batch.columns as ColumnMap)[writer.name]!)
  }

  /** Appends row `row` of the bound batch to `out`. */
  encode(row: number, out: ByteBuffer): void {
    const { writers } = this
    let features = 0
    for (let i = 0; i < writers.length; i++) features += writers[i]!.measure(row)
    out.reserve(features + 1 + varintSize(features))
    const { bytes } = out
    bytes[out.length] = 10
    let at = putVarint(bytes, out.length + 1, features)
    for (let i = 0; i < writers.length; i++) at = writers[i]!.writeEntry(bytes, at)
    out.length = at
  }
}
