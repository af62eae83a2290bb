import { columnFrom, fromUnknown, makeBatch, withoutStack, type Batch, type Column, type MillraceError, type Row, type Schema } from '@millrace/core'
import { FeatureSlot } from './feature-slot.js'
import { readScalar } from './read-scalar.js'
import { FeatureTable, isKey } from './feature-table.js'
import { encodeFeature } from './feature-writer.js'
import { missingFeature } from './missing-feature.js'
import { plainBytes } from './plain-bytes.js'
import { MALFORMED, WireReader } from './wire.js'

/** Options of {@link ExampleDecoder}. */
export interface ExampleDecoderOptions<S extends Schema> {
  /** Values of features that a record lacks, by column. Default: null where the field is nullable, else the record is bad. */
  readonly defaults?: Partial<Row<S>> | undefined
}

/**
 * Decodes serialized tf.train.Example messages straight into columns: no object a record, no value boxed.
 *
 * In most files each record has its features in the same order under the same keys, written the same way. The decoder guesses
 * so: it compares the key with the one that stood in this place in the record before, and reads the plainest encoding of a
 * scalar without a detour. Whatever differs (another order, lists, unpacked values, a value before its key, a feature that comes
 * twice, unknown fields) goes through a path that takes all that the protobuf encoding allows, with every bound checked.
 *
 * What TensorFlow reads it reads the same way (tensorflow/core/util/example_proto_fast_parsing.cc): features that the schema does
 * not name are passed over, the last of several features with one key counts, a feature without a list is absent.
 */
export class ExampleDecoder<S extends Schema = Schema> {
  /** The columns, in the order of the schema. @internal */
  readonly slots: readonly FeatureSlot[]
  private readonly table: FeatureTable<FeatureSlot>
  private readonly wire = new WireReader(new Uint8Array(0))
  private readonly inner = new WireReader(new Uint8Array(0))
  private readonly defaults: ReadonlyMap<FeatureSlot, Uint8Array>
  private rows = 0
  private room = 0
  /** Counts records, bad ones too, so that no mark of one is taken for a mark of another. */
  private stamp = 0
  /** Features of the schema that the current record holds. */
  private found = 0
  /** Where the features of the current record are. */
  private entriesStart = 0
  private entriesEnd = 0
  /** What is wrong with features of the current record, unless they come again: the last of several with one key counts. */
  private readonly faults = new Map<FeatureSlot, MillraceError>()

  /** @throws `Schema` for a field that a tf.train.Example cannot hold */
  constructor(
    readonly schema: S,
    options: ExampleDecoderOptions<S> = {},
  ) {
    this.slots = Object.entries(schema).map(([name, field]) => new FeatureSlot(name, field))
    this.table = new FeatureTable(this.slots)
    this.defaults = new Map(
      this.slots.flatMap((slot) => {
        const value = (options.defaults as Record<string, unknown> | undefined)?.[slot.name]
        return value === undefined || value === null ? [] : [[slot, encodeFeature(slot.name, columnFrom(slot.field, [value]))] as const]
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
   * @throws `BadRecord` with the feature at fault where one is; the columns are then as if the record had not been
   */
  decode(record: Uint8Array, start = 0, end: number = record.length): void {
    const bytes = plainBytes(record)
    this.begin()
    const { wire } = this
    wire.bytes = bytes
    wire.at = start
    wire.limit = end
    while (wire.at < end) {
      const tag = wire.tag()
      if (tag !== 10) {
        wire.skip(tag)
        continue
      }
      wire.limit = wire.end()
      this.decodeFeatures(bytes, wire.at, wire.limit)
      wire.at = wire.limit
      wire.limit = end
    }
    this.end()
  }

  /** Begins a record; {@link decodeFeatures} adds to it. @internal */
  begin(): void {
    if (this.rows === this.room) this.reserve()
    this.stamp++
    this.found = 0
    this.entriesStart = this.entriesEnd = 0
    if (this.faults.size > 0) this.faults.clear()
  }

  /** Ends a record. @throws `BadRecord`, and the columns are then as if it had not been @internal */
  end(): void {
    if (this.faults.size > 0) throw [...this.faults.values()][0]!
    if (this.found !== this.slots.length) this.fillAbsent()
    this.rows++
  }

  /** The rows since the last `finish` as a batch, in buffers of its own. */
  finish(): Batch<S> {
    const { rows } = this
    return makeBatch(this.schema, this.finishColumns(), rows)
  }

  /** The rows since the last `finish`, by column. @internal */
  finishColumns(): { [name: string]: Column } {
    const columns: { [name: string]: Column } = {}
    for (const slot of this.slots) columns[slot.name] = slot.finish(this.rows)
    this.rows = 0
    return columns
  }

  private reserve(): void {
    this.room = Math.max(1024, this.room * 2)
    for (const slot of this.slots) slot.reserveRows(this.room)
  }

  /** Reads a tf.train.Features. Entries that do not look as guessed are read again by {@link decodeEntry}. @internal */
  decodeFeatures(bytes: Uint8Array, start: number, end: number): void {
    const { table, stamp, rows: row } = this
    this.wire.bytes = bytes
    this.entriesStart = start
    this.entriesEnd = end
    let at = start
    for (let place = 0; at < end; place++) {
      let p = at + 2
      let size = bytes[at + 1]!
      if (size > 127) {
        size = (size & 127) | (bytes[p++]! << 7)
        if (size > 16383) size = -1
      }
      const entryEnd = p + size
      if (bytes[at] !== 10 || size < 4 || entryEnd > end || bytes[p] !== 10) {
        at = this.decodeEntry(bytes, at, end)
        continue
      }
      const keyLength = bytes[p + 1]!
      const keyStart = p + 2
      p = keyStart + keyLength
      // A key of 128 bytes or more has a longer length; its first byte then is above 127.
      if (keyLength > 127 || p + 2 > entryEnd || bytes[p] !== 18) {
        at = this.decodeEntry(bytes, at, end)
        continue
      }
      let entry = table.guess(place)
      if (entry === undefined || !isKey(entry.key, bytes, keyStart, keyLength)) entry = table.find(place, bytes, keyStart, keyLength)
      const slot = entry?.slot
      if (slot === undefined && endsEntry(bytes, p + 1, entryEnd)) {
        at = entryEnd
        continue
      }
      if (slot === undefined || slot.list || !readScalar(slot, row, bytes, p + 1, entryEnd)) {
        at = this.decodeEntry(bytes, at, end)
        continue
      }
      if (slot.stamp !== stamp) {
        slot.stamp = stamp
        this.found++
      }
      if (this.faults.size > 0) this.faults.delete(slot)
      at = entryEnd
    }
  }

  /** Reads one field of a tf.train.Features with every liberty that the encoding allows. Returns where the next one begins. */
  private decodeEntry(bytes: Uint8Array, start: number, end: number): number {
    const { wire } = this
    const before = { at: wire.at, limit: wire.limit }
    wire.at = start
    wire.limit = end
    const tag = wire.tag()
    let next: number
    if (tag === 10) {
      next = wire.end()
      wire.limit = next
      this.decodeMapEntry(wire)
    } else {
      wire.skip(tag)
      next = wire.at
    }
    wire.at = before.at
    wire.limit = before.limit
    return next
  }

  private decodeMapEntry(wire: WireReader): void {
    const start = wire.at
    wire.findKey()
    const slot = this.table.lookUp(wire.bytes, wire.keyStart, wire.keyEnd - wire.keyStart)?.slot
    if (slot === undefined) return
    this.faults.delete(slot)
    try {
      this.decodeValues(slot, wire, start)
    } catch (error) {
      const fault = withoutStack(() => fromUnknown(error, { column: slot.name }))
      if (fault._tag !== 'BadRecord' || fault.code === MALFORMED) throw fault
      this.faults.set(slot, fault)
    }
  }

  /** Merges all values of a map entry (there is one, as a rule) into a slot. */
  private decodeValues(slot: FeatureSlot, wire: WireReader, start: number): void {
    const { inner } = this
    inner.bytes = wire.bytes
    wire.at = start
    slot.begin()
    while (wire.at < wire.limit) {
      const tag = wire.tag()
      if (tag !== 18) {
        wire.skip(tag)
        continue
      }
      const size = wire.size()
      inner.at = wire.at
      inner.limit = wire.at += size
      slot.merge(inner, this.rows)
    }
    const present = slot.end(this.rows)
    if (present === (slot.stamp === this.stamp)) return
    // A feature may be taken back: the last entry of its key counts, and that one may be empty.
    slot.stamp = present ? this.stamp : -1
    this.found += present ? 1 : -1
  }

  /** Gives the features that the record lacks their defaults or nulls. */
  private fillAbsent(): void {
    const { slots, stamp, defaults, inner } = this
    for (const slot of slots) {
      if (slot.stamp === stamp) continue
      const value = defaults.get(slot)
      if (value !== undefined) {
        inner.bytes = value
        inner.at = 0
        inner.limit = value.length
        slot.begin()
        slot.merge(inner, this.rows)
        slot.end(this.rows)
        slot.stamp = stamp
      } else if (!slot.field.nullable) {
        throw missingFeature(slot.name, 'feature', { bytes: this.wire.bytes, start: this.entriesStart, end: this.entriesEnd })
      }
    }
    // Only now is it certain that the row will stay.
    for (const slot of slots) if (slot.stamp !== stamp) slot.endNull(this.rows)
  }
}

/** True when the length at `start` reaches to the very end of the entry. */
const endsEntry = (bytes: Uint8Array, start: number, end: number): boolean => {
  const size = bytes[start]!
  if (size < 128) return start + 1 + size === end
  const next = bytes[start + 1]!
  return next < 128 && start + 2 + ((size & 127) | (next << 7)) === end
}
