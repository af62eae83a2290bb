import { makeBatch, type Batch, type Binary } from '@millrace/core'
import { FeatureSlot } from '../example/feature-slot.js'
import { FRAME_HEADER } from './frame.js'
import { frameKernel, LONGEST_KERNEL_PAYLOAD } from './frame-kernel.js'
import type { RecordSink } from './record-stream.js'
import { MAX_RECORD_BYTES, type TfRecordDecoder } from './tfrecord-decoder.js'

/** Puts payloads together: runs of short ones in the WebAssembly kernel, framing and checksums included, others one by one. */
export class PayloadSink<S extends { readonly record: Binary }> implements RecordSink<S> {
  private readonly payloads: FeatureSlot
  private readonly longest: number
  private rows = 0

  constructor(
    private readonly schema: S,
    maxRecordBytes = MAX_RECORD_BYTES,
  ) {
    this.payloads = new FeatureSlot('record', schema.record)
    this.longest = Math.min(maxRecordBytes, LONGEST_KERNEL_PAYLOAD)
  }

  get length(): number {
    return this.rows
  }

  decode(bytes: Uint8Array, start: number, end: number): void {
    this.payloads.reserveRows(this.rows + 1)
    this.payloads.putBytes(this.rows++, bytes, start, end)
  }

  decodeFrames(records: TfRecordDecoder, rows: number, budget: number): number {
    const kernel = frameKernel()
    let taken = 0
    if (kernel === undefined || records.isCarrying) return taken
    const { chunk } = records
    while (rows > 0 && taken < budget && chunk.length - records.chunkOffset >= FRAME_HEADER && records.nextSize <= this.longest) {
      const count = kernel.unframe(chunk, records.chunkOffset, rows, budget - taken, this.longest)
      if (count === 0) break
      this.payloads.putRun(this.rows, kernel.payloads, kernel.ends, count)
      this.rows += count
      records.pass(kernel.taken, count)
      taken += kernel.ends[count - 1]!
      rows -= count
    }
    return taken
  }

  finish(): Batch<S> {
    const { rows } = this
    this.rows = 0
    return makeBatch(this.schema, { record: this.payloads.finish(rows) })
  }
}
