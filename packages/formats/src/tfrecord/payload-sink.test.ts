import { field, fromUnknown } from '@millrace/core'
import { describe, expect, it } from 'vitest'
import { encodeFrame } from './frame.js'
import { PayloadSink } from './payload-sink.js'
import { TfRecordDecoder } from './tfrecord-decoder.js'

const random = (seed: number): ((count: number) => number) => {
  let state = seed
  return (count) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 4294967296) * count)
  }
}

/** Frames of all lengths, mostly short, some of them damaged beyond the header. */
const frames = (below: (count: number) => number, records: number): Uint8Array =>
  new Uint8Array(
    Buffer.concat(
      Array.from({ length: records }, () => {
        const length = [below(40), below(40), 200 + below(100), 2040 + below(16), 20 * below(300)][below(5)]!
        const frame = encodeFrame(Uint8Array.from({ length }, () => below(256)))
        if (below(60) === 0) frame[12 + below(frame.length - 12)]! ^= 1 << below(8)
        return frame
      }),
    ),
  )

interface Seen {
  /** As text: bytes are compared one by one, which takes its time. */
  readonly payloads: string[]
  readonly faults: unknown[]
  /** Where batches ended. */
  readonly ends: (readonly number[])[]
}

const faultOf = (error: unknown): unknown => {
  const { _tag, code, position } = fromUnknown(error)
  return { _tag, code, position }
}

/** What the sink sees of frames in chunks, whether or not it may take runs of them. */
const throughSink = (bytes: Uint8Array, { chunkBytes, batchRows, maxRecordBytes, runs }: { chunkBytes: number; batchRows: number; maxRecordBytes?: number; runs: boolean }): Seen => {
  const seen: Seen = { payloads: [], faults: [], ends: [] }
  const sink = new PayloadSink({ record: field.binary() }, maxRecordBytes)
  const records = new TfRecordDecoder({ maxRecordBytes })
  const finish = (): void => {
    seen.ends.push([records.byteAfter, records.recordAfter])
    const batch = sink.finish()
    for (let row = 0; row < batch.numRows; row++) seen.payloads.push(Buffer.from(batch.row(row).record).toString('latin1'))
  }
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    records.push(bytes.slice(at, at + chunkBytes))
    for (;;) {
      if (runs) sink.decodeFrames(records, batchRows - sink.length, 1e9)
      if (sink.length >= batchRows) {
        finish()
        continue
      }
      try {
        if (!records.next()) break
        sink.decode(records.bytes, records.start, records.end)
      } catch (error) {
        seen.faults.push(faultOf(error))
        if (fromUnknown(error)._tag !== 'BadRecord') return seen
      }
    }
  }
  finish()
  return seen
}

describe('payloads in runs', () => {
  it.each(Array.from({ length: 12 }, (_, seed) => seed))('are those one by one (seed %i)', (seed) => {
    const below = random(seed * 7919 + 3)
    const bytes = frames(below, 500)
    const options = { chunkBytes: [bytes.length, 1 + below(500), 65536, 200_000][seed % 4]!, batchRows: [1, 7, 100, 10_000][below(4)]! }
    const due = throughSink(bytes, { ...options, runs: false })
    expect(due.payloads.length + due.faults.length).toBe(500)
    expect(due.faults.length).toBeGreaterThan(0)
    expect(throughSink(bytes, { ...options, runs: true })).toEqual(due)
  })

  it('are taken by the kernel', () => {
    const bytes = new Uint8Array(Buffer.concat(Array.from({ length: 1000 }, (_, i) => encodeFrame(Uint8Array.from({ length: i % 300 }, (_, at) => at)))))
    const records = new TfRecordDecoder()
    records.push(bytes)
    const sink = new PayloadSink({ record: field.binary() })
    expect(sink.decodeFrames(records, 900, 1e9)).toBe(Array.from({ length: 900 }, (_, i) => i % 300).reduce((sum, size) => sum + size))
    expect([sink.length, records.recordAfter]).toEqual([900, 900])
    // A batch ends with the record that reaches its bytes.
    expect(sink.decodeFrames(records, 100, 1)).toBe(900 % 300 === 0 ? 1 : 900 % 300)
    expect(sink.length).toBe(902)
  })

  it('end before a record that is longer than allowed, and before a damaged length', () => {
    const bytes = new Uint8Array(Buffer.concat([5, 9, 10, 11, 3].map((length) => encodeFrame(new Uint8Array(length).fill(length)))))
    const options = { chunkBytes: bytes.length, batchRows: 100, maxRecordBytes: 10 }
    const long = throughSink(bytes, { ...options, runs: true })
    expect(long).toEqual(throughSink(bytes, { ...options, runs: false }))
    expect(long.faults).toEqual([expect.objectContaining({ code: 'TFRECORD_TOO_LONG' })])
    for (let bit = 0; bit < 96; bit++) {
      const damaged = bytes.slice()
      damaged[46 + (bit >> 3)]! ^= 1 << (bit & 7)
      const seen = throughSink(damaged, { chunkBytes: bytes.length, batchRows: 100, runs: true })
      expect(seen.faults).toEqual([{ _tag: 'Corrupt', code: 'TFRECORD_LENGTH_CRC', position: { source: undefined, byte: 46, record: 2 } }])
    }
  })
})
