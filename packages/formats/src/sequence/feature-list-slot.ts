import { bitmapBytes, ListColumn, type Column, type Field, type MillraceError } from '@millrace/core'
import { FeatureSlot } from '../example/feature-slot.js'
import type { Keyed } from '../example/feature-table.js'
import { readScalar } from '../example/read-scalar.js'
import type { WireReader } from '../example/wire.js'
import { stepField } from './step-field.js'

const FIRST_ROWS = 1024

/**
 * The values of one feature list, as they come off the wire. Its steps are the rows of a {@link FeatureSlot}; as there, everything
 * is addressed by the row, and no row ends before the decoder says so.
 */
export class FeatureListSlot implements Keyed {
  readonly key: Uint8Array
  /** The record in which this feature list was last seen, by the decoder's count. */
  stamp = -1
  private readonly steps: FeatureSlot
  /** Row `r` holds the steps `offsets[r]` to `offsets[r + 1]`. */
  private offsets = new Int32Array(FIRST_ROWS + 1)
  private validity: Uint8Array | undefined
  /** Steps of the feature list that is being read. */
  private count = 0

  /** @throws `Schema` for a field that a feature list cannot hold */
  constructor(
    readonly name: string,
    readonly field: Field,
  ) {
    this.steps = new FeatureSlot(name, stepField(name, field))
    this.key = this.steps.key
  }

  /** Makes room for `rows` rows. */
  reserveRows(rows: number): void {
    if (rows < this.offsets.length) return
    const grown = new Int32Array(Math.max(rows + 1, this.offsets.length * 2))
    grown.set(this.offsets)
    this.offsets = grown
  }

  /** Begins a feature list; {@link merge} adds to it. */
  begin(): void {
    this.count = 0
  }

  /**
   * Merges a serialized tf.train.FeatureList, `wire.at` to `wire.limit`.
   *
   * @param inner - a reader to work with
   * @throws `BadRecord` when a step holds another kind, or another number of values than is due
   */
  merge(wire: WireReader, inner: WireReader, row: number): void {
    const { steps } = this
    inner.bytes = wire.bytes
    while (wire.at < wire.limit) {
      const tag = wire.tag()
      if (tag !== 10) {
        wire.skip(tag)
        continue
      }
      const start = wire.at
      const end = wire.end()
      const step = this.offsets[row]! + this.count
      steps.reserveRows(step + 1)
      if (steps.list || !readScalar(steps, step, wire.bytes, start, end)) {
        inner.at = wire.at
        inner.limit = end
        this.readStep(inner, step)
      }
      this.count++
      wire.at = end
    }
  }

  /** Ends a feature list. @throws `BadRecord` when it has not as many steps as are due */
  end(row: number): void {
    const { size } = this.field.params
    if (size !== undefined && this.count !== size) throw this.bad('EXAMPLE_WRONG_COUNT', `the feature list has ${this.count} steps where ${size} are due`)
    this.offsets[row + 1] = this.offsets[row]! + this.count
  }

  /** Stores what stands for a row without a value. */
  endNull(row: number): void {
    this.offsets[row + 1] = this.offsets[row]!
    const at = row >> 3
    if (this.validity === undefined || at >= this.validity.length) {
      const bits = new Uint8Array(Math.max(64, (at + 1) * 2)).fill(255)
      if (this.validity !== undefined) bits.set(this.validity)
      this.validity = bits
    }
    this.validity[at]! &= ~(1 << (row & 7))
  }

  /** The column of the first `rows` rows; the slot starts again, empty. */
  finish(rows: number): Column {
    const validity = this.validity === undefined ? undefined : new Uint8Array(bitmapBytes(rows)).fill(255)
    if (validity !== undefined) validity.set(this.validity!.subarray(0, validity.length))
    this.validity = undefined
    return new ListColumn(this.field, this.offsets.slice(0, rows + 1), this.steps.finish(this.offsets[rows]!), validity)
  }

  /** An error of this feature list. */
  bad(code: string, problem: string): MillraceError {
    return this.steps.bad(code, problem)
  }

  private readStep(wire: WireReader, step: number): void {
    const { steps } = this
    steps.begin()
    steps.merge(wire, step)
    if (steps.end(step)) return
    // A step that holds no list of any kind has no values.
    const { size } = steps.field.params
    if (!steps.list || (size ?? 0) > 0) throw this.bad('EXAMPLE_WRONG_COUNT', `step ${this.count} of the feature list holds no values where ${size ?? 'one'} ${size === undefined || size === 1 ? 'is' : 'are'} due`)
    steps.listOffsets[step + 1] = steps.listOffsets[step]!
  }
}
