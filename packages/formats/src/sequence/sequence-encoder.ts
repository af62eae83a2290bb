import { requireColumn, type Batch, type Column, type ColumnMap, type Schema } from '@millrace/core'
import { featureShape } from '../example/feature-kinds.js'
import { FeatureWriter, putVarint, varintSize } from '../example/feature-writer.js'
import type { ByteBuffer } from '../example/index.js'
import { FeatureListWriter } from './feature-list-writer.js'
import { sequenceColumns } from './sequence-decoder.js'
import { stepField } from './step-field.js'

/** Tags of tf.train.SequenceExample. */
const CONTEXT = 10
const FEATURE_LISTS = 18

/** Which columns go where in a tf.train.SequenceExample. */
export interface SequenceColumns {
  /** Columns for the context, in this order. Default: all that are not feature lists. */
  readonly context?: readonly string[] | undefined
  /** Columns for the feature lists, in this order. */
  readonly featureLists: readonly string[]
}

/** What writes entries of a map. */
interface EntryWriter {
  readonly name: string
  bind(column: Column): void
  measure(row: number): number
  writeMeasured(bytes: Uint8Array, start: number): number
}

/**
 * Encodes rows of batches as serialized tf.train.SequenceExample messages, straight from the columns' buffers. Numbers are packed; a
 * null is left out, an empty list is a feature list without steps.
 */
export class SequenceExampleEncoder<S extends Schema = Schema> {
  /** The columns that are written, context first. */
  readonly columns: readonly string[]
  private readonly context: readonly EntryWriter[]
  private readonly featureLists: readonly EntryWriter[]

  /** @throws `Schema` for a column that is not there or that does not fit where it is to go */
  constructor(schema: S, { featureLists, context = Object.keys(schema).filter((name) => !featureLists.includes(name)) }: SequenceColumns) {
    const fieldOf = (name: string): Schema[string] => requireColumn(schema, name, 'the encoder of tf.train.SequenceExample')
    const fieldsOf = (names: readonly string[]): Schema => Object.fromEntries(names.map((name) => [name, fieldOf(name)]))
    this.columns = Object.keys(sequenceColumns(fieldsOf(context), fieldsOf(featureLists)))
    for (const name of context) featureShape(name, fieldOf(name))
    for (const name of featureLists) stepField(name, fieldOf(name))
    this.context = context.map((name) => new FeatureWriter(name))
    this.featureLists = featureLists.map((name) => new FeatureListWriter(name))
  }

  /** Takes up a batch, whose rows `encode` then writes. @throws `Schema` for nulls within lists, `BadRecord` for a finite float64 beyond the range of float32 */
  bind(batch: Batch<S>): void {
    for (const writer of [...this.context, ...this.featureLists]) writer.bind((batch.columns as ColumnMap)[writer.name]!)
  }

  /** Appends row `row` of the bound batch to `out`. */
  encode(row: number, out: ByteBuffer): void {
    putMap(CONTEXT, this.context, row, out)
    putMap(FEATURE_LISTS, this.featureLists, row, out)
  }
}

/** Appends a field that holds a map, unless that is empty. */
const putMap = (tag: number, writers: readonly EntryWriter[], row: number, out: ByteBuffer): void => {
  let size = 0
  for (const writer of writers) size += writer.measure(row)
  if (size === 0) return
  out.reserve(1 + varintSize(size) + size)
  const { bytes } = out
  bytes[out.length] = tag
  let at = putVarint(bytes, out.length + 1, size)
  for (const writer of writers) at = writer.writeMeasured(bytes, at)
  out.length = at
}
