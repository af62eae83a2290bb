import { columnFrom, failure, fromUnknown, makeBatch, type Batch, type List, type MillraceError, type Nullable, type Row, type Schema } from '@millrace/core'
import { ExampleDecoder } from '../example/index.js'
import { FeatureTable } from '../example/feature-table.js'
import { missingFeature, type Entries } from '../example/missing-feature.js'
import { plainBytes } from '../example/plain-bytes.js'
import { MALFORMED, WireReader } from '../example/wire.js'
import { FeatureListSlot } from './feature-list-slot.js'
import { encodeFeatureList } from './feature-list-writer.js'

/** Fields of feature lists: lists, of which each item is what one step holds. */
export type FeatureLists = { readonly [name: string]: Nullable<List> }

/** What of a tf.train.SequenceExample is read: features of its context, and feature lists. */
export interface SequenceSchema<C extends Schema, L extends FeatureLists> {
  /** Features of the context, as those of a tf.train.Example: scalars and lists. Default: none. */
  readonly context?: C | undefined
  /**
   * Feature lists, each a list of what one step holds: `field.list(field.float32())` where every step has one value,
   * `field.list(field.list(field.int64()))` where it has any number, `field.list(field.list(field.int64(), { size: 2 }))` where it
   * has two. Default: none.
   */
  readonly featureLists?: L | undefined
}

/** Options of {@link SequenceExampleDecoder}. */
export interface SequenceDecoderOptions<S extends Schema> {
  /** Values of features and feature lists that a record lacks, by column. Default: null where the field is nullable, else the record is bad. */
  readonly defaults?: Partial<Row<S>> | undefined
}

/** The columns of both. @throws `Schema` for a name that is in both */
export const sequenceColumns = (context: Schema, featureLists: Schema): Schema => {
  const twice = Object.keys(featureLists).find((name) => Object.hasOwn(context, name))
  if (twice === undefined) return { ...context, ...featureLists }
  throw failure({
    tag: 'Schema',
    code: 'SEQUENCE_SAME_NAME',
    problem: 'a feature of the context and a feature list have the same name, and would be one column',
    remedy: 'Read one of the two, or each by a reader of its own.',
    position: { column: twice },
  })
}

/**
 * Decodes serialized tf.train.SequenceExample messages straight into columns: the context as {@link ExampleDecoder} does, feature
 * lists as lists of their steps.
 *
 * What TensorFlow reads it reads the same way (FastParseSequenceExample in tensorflow/core/util/example_proto_fast_parsing.cc):
 * names that the schema lacks are passed over, the last of several entries with one key counts, a step of another kind or number of
 * values is an error.
 */
export class SequenceExampleDecoder<C extends Schema = Schema, L extends FeatureLists = FeatureLists> {
  private readonly schema: Schema
  private readonly context: ExampleDecoder
  private readonly slots: readonly FeatureListSlot[]
  private readonly table: FeatureTable<FeatureListSlot>
  private readonly defaults: ReadonlyMap<FeatureListSlot, Uint8Array>
  private readonly wire = new WireReader(new Uint8Array(0))
  private readonly inner = new WireReader(new Uint8Array(0))
  private rows = 0
  /** Counts records, bad ones too. */
  private stamp = 0
  /** What is wrong with feature lists of the current record, unless they come again. */
  private readonly faults = new Map<FeatureListSlot, MillraceError>()
  /** Where the feature lists of the current record are. */
  private lists: Entries = { bytes: new Uint8Array(0), start: 0, end: 0 }

  /** @throws `Schema` for fields that a tf.train.SequenceExample cannot hold */
  constructor({ context, featureLists }: SequenceSchema<C, L>, options: SequenceDecoderOptions<C & L> = {}) {
    const fields: Schema = featureLists ?? {}
    this.schema = sequenceColumns(context ?? {}, fields)
    const defaults: { readonly [name: string]: unknown } = options.defaults ?? {}
    this.context = new ExampleDecoder<Schema>(context ?? {}, { defaults })
    this.slots = Object.entries(fields).map(([name, field]) => new FeatureListSlot(name, field))
    this.table = new FeatureTable(this.slots)
    this.defaults = new Map(
      this.slots.flatMap((slot) => {
        const value = defaults[slot.name]
        return value === undefined || value === null ? [] : [[slot, encodeFeatureList(slot.name, columnFrom(slot.field, [value]))] as const]
      }),
    )
  }

  /** Rows decoded since the last `finish`. */
  get length(): number {
    return this.rows
  }

  /**
   * Appends the record `record[start..end]`.
   *
   * @throws `BadRecord` with the feature or feature list at fault where one is; the columns are then as if the record had not been
   */
  decode(record: Uint8Array, start = 0, end: number = record.length): void {
    const bytes = plainBytes(record)
    const { wire, context, slots, rows: row } = this
    this.stamp++
    if (this.faults.size > 0) this.faults.clear()
    for (const slot of slots) slot.reserveRows(row + 1)
    context.begin()
    this.lists = { bytes, start, end: start }
    wire.bytes = bytes
    wire.at = start
    wire.limit = end
    while (wire.at < end) {
      const tag = wire.tag()
      if (tag !== 10 && tag !== 18) {
        wire.skip(tag)
        continue
      }
      wire.limit = wire.end()
      if (tag === 10) context.decodeFeatures(bytes, wire.at, wire.limit)
      else this.decodeLists()
      wire.at = wire.limit
      wire.limit = end
    }
    if (this.faults.size > 0) throw [...this.faults.values()][0]!
    this.fillDefaults()
    context.end()
    // Only now is it certain that the row will stay.
    for (const slot of slots) if (slot.stamp !== this.stamp) slot.endNull(row)
    this.rows++
  }

  /** The rows since the last `finish` as a batch, in buffers of its own. */
  finish(): Batch<C & L> {
    const { rows } = this
    const columns = this.context.finishColumns()
    for (const slot of this.slots) columns[slot.name] = slot.finish(rows)
    this.rows = 0
    return makeBatch(this.schema, columns, rows) as Batch<C & L>
  }

  /** Reads a tf.train.FeatureLists, `wire.at` to `wire.limit`. */
  private decodeLists(): void {
    const { wire } = this
    const end = wire.limit
    this.lists = { bytes: wire.bytes, start: wire.at, end }
    while (wire.at < end) {
      const tag = wire.tag()
      if (tag !== 10) {
        wire.skip(tag)
        continue
      }
      wire.limit = wire.end()
      this.decodeEntry()
      wire.at = wire.limit
      wire.limit = end
    }
  }

  /** Reads a map entry, `wire.at` to `wire.limit`. */
  private decodeEntry(): void {
    const { wire } = this
    const start = wire.at
    wire.findKey()
    const slot = this.table.lookUp(wire.bytes, wire.keyStart, wire.keyEnd - wire.keyStart)?.slot
    if (slot === undefined) return
    this.faults.delete(slot)
    slot.stamp = this.stamp
    const end = wire.limit
    try {
      this.decodeSteps(slot, start)
    } catch (error) {
      const fault = fromUnknown(error, { column: slot.name })
      if (fault._tag !== 'BadRecord' || fault.code === MALFORMED) throw fault
      this.faults.set(slot, fault)
      wire.limit = end
    }
  }

  /** Merges all values of a map entry (there is one, as a rule) into a slot. */
  private decodeSteps(slot: FeatureListSlot, start: number): void {
    const { wire, inner } = this
    const end = wire.limit
    wire.at = start
    slot.begin()
    while (wire.at < end) {
      const tag = wire.tag()
      if (tag !== 18) {
        wire.skip(tag)
        continue
      }
      wire.limit = wire.end()
      slot.merge(wire, inner, this.rows)
      wire.at = wire.limit
      wire.limit = end
    }
    slot.end(this.rows)
  }

  /** Gives the feature lists that the record lacks their defaults. */
  private fillDefaults(): void {
    const { slots, stamp, defaults, wire, inner } = this
    for (const slot of slots) {
      if (slot.stamp === stamp) continue
      const value = defaults.get(slot)
      if (value !== undefined) {
        wire.bytes = value
        wire.at = 0
        wire.limit = value.length
        slot.begin()
        slot.merge(wire, inner, this.rows)
        slot.end(this.rows)
        slot.stamp = stamp
      } else if (!slot.field.nullable) throw missingFeature(slot.name, 'feature list', this.lists)
    }
  }
}
