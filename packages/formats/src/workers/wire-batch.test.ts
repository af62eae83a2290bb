import { batchFromRows, concatBatches, field, type Batch, type Schema } from '@millrace/core'
import { describe, expect, test } from 'vitest'
import { ByteBuffer } from '../example/byte-buffer.js'
import { isBatchBuffer, keepColumnsTogether } from '../example/column-memory.js'
import { ExampleEncoder } from '../example/index.js'
import { encodeFrame } from '../tfrecord/frame.js'
import { exampleSink } from '../tfrecord/kernel-sink.js'
import { TfRecordDecoder } from '../tfrecord/tfrecord-decoder.js'
import { BatchReceiver, BatchSender } from './wire-batch.js'

const schema = {
  byte: field.int8(), big: field.nullable(field.int64()), float: field.float32(), double: field.nullable(field.float64()), day: field.date(), yes: field.nullable(field.bool()),
  amount: field.decimal(20, 2), text: field.nullable(field.utf8()), raw: field.binary(), tags: field.list(field.utf8()), grid: field.nullable(field.list(field.list(field.int32()))),
  code: field.dictionary(field.utf8()),
}

const rows = Array.from({ length: 40 }, (_, i) => ({
  byte: i - 20, big: i % 3 === 0 ? null : BigInt(i) * -(2n ** 40n), float: i / 2, double: i % 7 === 0 ? null : i / 3, day: new Date(86_400_000 * i), yes: i % 5 === 0 ? null : i % 2 === 0,
  amount: `${i}.25`, text: i % 4 === 0 ? null : `text ${i}`, raw: Uint8Array.of(i, 255), tags: i % 2 === 0 ? [] : ['ü', `${i}`], grid: i % 6 === 0 ? null : [[i], [], [i, i]], code: `code ${i % 3}`,
}))

const rowsOf = (batch: Batch): unknown[] => Array.from({ length: batch.numRows }, (_, row) => batch.row(row))

/** What the other thread makes of batches. */
const sent = (batches: readonly Batch[], isOwned: boolean): Batch[] => {
  const sender = new BatchSender(isOwned)
  const receiver = new BatchReceiver()
  return batches.map((batch) => {
    const { wire, transfer } = sender.send(batch)
    return receiver.receive(structuredClone(wire, { transfer: [...transfer] }))
  })
}

describe('batches that go to another thread', () => {
  test.each([true, false])('are the same there, of every kind of column (buffers of their own: %s)', (isOwned) => {
    const make = (): Batch[] => [batchFromRows(schema, rows), batchFromRows(schema, rows.slice(7)), batchFromRows(schema, [])]
    expect(sent(make(), isOwned).map(rowsOf)).toEqual(make().map(rowsOf))
  })

  test('may be slices, of whose buffers only the slice goes along, and which stay as they are', () => {
    const whole: Batch<Schema> = concatBatches(schema, [batchFromRows(schema, rows), batchFromRows(schema, rows)])
    const slice = whole.slice(9, 27)
    const due = rowsOf(slice)
    const { wire, transfer, bytes } = new BatchSender(false).send(slice)
    expect(transfer.reduce((sum, buffer) => sum + buffer.byteLength, 0)).toBe(bytes)
    expect(rowsOf(new BatchReceiver().receive(structuredClone(wire, { transfer: [...transfer] })))).toEqual(due)
    expect(rowsOf(slice)).toEqual(due)
  })

  test('of records lie in one buffer on a thread that hands them over', () => {
    const plain = { big: field.int64(), float: field.float32(), text: field.utf8(), tags: field.list(field.utf8()), small: field.nullable(field.int8()) }
    const due = rows.map(({ byte, float, tags, raw }, i) => ({ big: BigInt(i) << 33n, float, text: `text ${raw[0]}`, tags, small: i % 3 === 0 ? null : byte }))
    const encoder = new ExampleEncoder(plain)
    encoder.bind(batchFromRows(plain, due))
    const read = (): Batch => {
      const sink = exampleSink(plain, { defaults: undefined, batchRows: 100, maxRecordBytes: undefined })
      const records = new TfRecordDecoder()
      records.push(
        Buffer.concat(
          due.map((_, row) => {
            const out = new ByteBuffer()
            encoder.encode(row, out)
            return encodeFrame(out.bytes.slice(0, out.length))
          }),
        ),
      )
      expect(sink.decodeFrames!(records, 100, 1e9)).toBeGreaterThan(0)
      expect(sink.length).toBe(due.length)
      return sink.finish()
    }
    const valuesOf = (batch: Batch): BigInt64Array => (batch.columns as unknown as { readonly big: { readonly values: BigInt64Array } }).big.values
    expect(isBatchBuffer(valuesOf(read()).buffer)).toBe(false)
    keepColumnsTogether()
    const batch = read()
    const values = valuesOf(batch)
    expect(isBatchBuffer(values.buffer)).toBe(true)
    const { transfer } = new BatchSender(true).send(batch)
    // The narrow integers and the bits of nulls are made elsewhere.
    expect(transfer).toHaveLength(3)
    expect(sent([batch], true).map(rowsOf)).toEqual([due])
    expect(values.buffer.byteLength).toBe(0)
  })
})
