import type { Column, ListColumn } from '@millrace/core'
import { FeatureWriter, putVarint, varintSize } from '../example/feature-writer.js'
import { nullItem } from '../example/wire-column.js'
import { stepField } from './step-field.js'

/** Writes the feature lists of one column. Call {@link measure}, then {@link writeMeasured} for the same row. */
export class FeatureListWriter {
  private readonly steps: FeatureWriter
  private offsets = new Int32Array(1)
  private validity: Uint8Array | undefined
  // What `measure` found out about the row.
  private first = 0
  private last = 0
  private list = 0
  private entry = 0

  constructor(readonly name: string) {
    this.steps = new FeatureWriter(name)
  }

  /** Takes up the column of a batch. @throws `Schema` for what a feature list cannot hold, nulls within it included */
  bind(column: Column): void {
    stepField(this.name, { ...column.field, params: { ...column.field.params, item: withoutNulls(column.field.params.item) } })
    const { offsets, items, length, validity } = column as ListColumn
    const first = offsets[0]!
    const steps = items.slice(first, offsets[length]!)
    if (steps.nullCount > 0) throw nullItem(this.name)
    this.steps.bind(steps as Column)
    this.offsets = first === 0 ? (offsets as typeof this.offsets) : (offsets.map((offset) => offset - first) as typeof this.offsets)
    this.validity = validity
  }

  /** Bytes of the map entry for a row, its tag and length included; 0 for a null, which is left out. */
  measure(row: number): number {
    const { validity, steps, offsets } = this
    this.entry = -1
    if (validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0) return 0
    this.first = offsets[row]!
    this.last = offsets[row + 1]!
    let list = 0
    for (let step = this.first; step < this.last; step++) {
      steps.measure(step)
      list += 1 + varintSize(steps.featureSize) + steps.featureSize
    }
    this.list = list
    this.entry = steps.lead.length + varintSize(list) + list
    return 1 + varintSize(this.entry) + this.entry
  }

  /** Writes the map entry of the measured row; returns the offset after it. */
  writeMeasured(bytes: Uint8Array, start: number): number {
    if (this.entry < 0) return start
    const { lead } = this.steps
    bytes[start] = 10
    let at = putVarint(bytes, start + 1, this.entry)
    for (let i = 0; i < lead.length; i++) bytes[at++] = lead[i]!
    at = putVarint(bytes, at, this.list)
    return this.writeSteps(bytes, at)
  }

  /** Bytes of the tf.train.FeatureList of the measured row. */
  get listSize(): number {
    return this.list
  }

  /** Writes the tf.train.FeatureList of the measured row; returns the offset after it. */
  writeSteps(bytes: Uint8Array, start: number): number {
    const { steps, first, last } = this
    let at = start
    for (let step = first; step < last; step++) {
      steps.measure(step)
      bytes[at] = 10
      at = putVarint(bytes, at + 1, steps.featureSize)
      at = steps.writeFeature(bytes, at)
    }
    return at
  }
}

/** A field that may hold nulls is taken as long as none is there. */
const withoutNulls = (item: Column['field']['params']['item']): typeof item => (item === undefined ? undefined : { ...item, nullable: false })

/** The value in row 0 of a column as a serialized tf.train.FeatureList, empty where it is null. */
export const encodeFeatureList = (name: string, column: Column): Uint8Array => {
  const writer = new FeatureListWriter(name)
  writer.bind(column)
  if (writer.measure(0) === 0) return new Uint8Array(0)
  const bytes = new Uint8Array(writer.listSize)
  writer.writeSteps(bytes, 0)
  return bytes
}
