import { field, fromUnknown, type Batch, type Schema } from '@millrace/core'
import { describe, expect, it } from 'vitest'
import { ExampleDecoder } from '../example/index.js'
import { crc32c, maskCrc32c } from './crc32c.js'
import { encodeFrame, writeWord } from './frame.js'
import { exampleSink } from './kernel-sink.js'
import type { RecordSink } from './record-stream.js'
import { TfRecordDecoder } from './tfrecord-decoder.js'

type Bytes = readonly number[]

/** Random numbers from a seed, and what is made of them. */
class Dice {
  constructor(private seed: number) {}

  below(count: number): number {
    this.seed = (Math.imul(this.seed, 1664525) + 1013904223) >>> 0
    return Math.floor((this.seed / 4294967296) * count)
  }

  one<A>(choices: readonly A[]): A {
    return choices[this.below(choices.length)]!
  }

  /** True once in so many times. */
  once(times: number): boolean {
    return this.below(times) === 0
  }

  many<A>(most: number, make: () => A): A[] {
    return Array.from({ length: this.below(most + 1) }, make)
  }
}

const varint = (value: bigint): Bytes => {
  const out: number[] = []
  let rest = BigInt.asUintN(64, value)
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128)
  return [...out, Number(rest)]
}
const message = (number: number, body: Bytes): Bytes => [number * 8 + 2, ...varint(BigInt(body.length)), ...body]
const text = (value: string): Bytes => [...new TextEncoder().encode(value)]

const schema = {
  f: field.float32(), wide: field.nullable(field.float64()), i: field.int64(), small: field.nullable(field.int8()), word: field.uint32(), safe: field.nullable(field.int64({ as: 'number' })),
  yes: field.bool(), text: field.utf8(), raw: field.nullable(field.binary()), floats: field.list(field.float32()), pair: field.nullable(field.list(field.int32(), { size: 2 })),
  longs: field.nullable(field.list(field.int64())), texts: field.list(field.utf8()),
  'fourteen bytes': field.int64(), 'key of twenty-nine characters': field.nullable(field.utf8()), 'a key that is longer than thirty': field.float32(),
}
const kinds: { readonly [name: string]: number } = { f: 2, wide: 2, i: 3, small: 3, word: 3, safe: 3, yes: 3, text: 1, raw: 1, floats: 2, pair: 3, longs: 3, texts: 1, 'fourteen bytes': 3, 'key of twenty-nine characters': 1, 'a key that is longer than thirty': 2 }
const names = Object.keys(schema)

const integers = [0n, 1n, 1n, 1n, 127n, 128n, -1n, 300n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 49n - 1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 56n - 1n, 2n ** 56n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]
const safeFor: { readonly [name: string]: readonly bigint[] } = { small: [0n, -128n, 127n], word: [0n, 2n ** 32n - 1n], safe: [-1n, 2n ** 53n - 1n, 77n], yes: [0n, 1n], pair: [5n, -5n, 2n ** 31n - 1n] }
const texts = ['', 'a', 'hello', 'Grüße', '日本語', '🚲', 'w'.repeat(16), 'v'.repeat(17), '16 bytes, the ü', 'x'.repeat(63), 'y'.repeat(64), 'z'.repeat(65), 'ü'.repeat(100), 'plain ascii of some length']

const value = (dice: Dice, name: string): Bytes => {
  const kind = dice.once(200) ? dice.one([1, 2, 3]) : kinds[name]!
  const isList = ['floats', 'longs', 'texts'].includes(name)
  const count = dice.once(200) ? dice.below(4) : name === 'pair' ? 2 : isList ? dice.below(dice.once(10) ? 300 : 5) : 1
  const packed = !dice.once(10)
  const items = Array.from({ length: count }, (): Bytes => {
    if (kind === 2) return [...new Uint8Array(Float32Array.of(dice.one([0, 1.5, -3e38, NaN, Infinity, dice.below(1000) / 7])).buffer)]
    if (kind === 3) return varint(dice.one(dice.once(100) ? integers : (safeFor[name] ?? integers)))
    if (dice.once(100)) return dice.one([[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [97, 0xf0, 0x9f, 0x9a]])
    return text(dice.one(texts))
  })
  const list =
    kind === 1 ? items.flatMap((item) => message(1, item))
    : count === 0 ? []
    : packed ? message(1, items.flat())
    : items.flatMap((item) => [kind === 2 ? 13 : 8, ...item])
  return message(kind, list)
}

const entry = (dice: Dice, name: string): Bytes => {
  const feature = dice.once(100) ? [] : value(dice, name)
  return dice.once(100) ? message(1, [...message(2, feature), ...message(1, text(name))]) : message(1, [...message(1, text(name)), ...message(2, feature)])
}

const record = (dice: Dice): Uint8Array => {
  let order: string[] = [...names]
  if (dice.once(3)) order = order.filter((name) => !['wide', 'small', 'safe', 'raw', 'pair', 'longs'].includes(name) || dice.once(2))
  if (dice.once(4)) order.sort(() => dice.below(3) - 1)
  if (dice.once(6)) order.push(dice.one(names))
  if (dice.once(50)) order.splice(dice.below(order.length), 1)
  const entries = order.flatMap((name) => entry(dice, name))
  if (dice.once(5)) entries.unshift(...message(1, [...message(1, text(dice.one(['other', 'tex', 'texts2', '', 'fourteen bytez', 'key of twenty-nine characterz', 'a key that is longer than thirtz']))), ...message(2, value(dice, 'longs'))]))
  const bytes = Uint8Array.from(dice.once(200) ? [] : message(1, entries))
  // Damage that checksums do not show.
  if (dice.once(8)) for (let n = dice.below(3); n >= 0; n--) bytes[dice.below(bytes.length)] = dice.below(256)
  return dice.once(30) ? bytes.subarray(0, dice.below(bytes.length)) : bytes
}

const file = (dice: Dice, records: number): Uint8Array => {
  const frames = Array.from({ length: records }, () => {
    const frame = encodeFrame(record(dice))
    if (dice.once(100)) frame[12 + dice.below(frame.length - 12)]! ^= 1 << dice.below(8)
    return frame
  })
  return new Uint8Array(Buffer.concat(frames))
}

/** What a reader would see: all rows, and where which record was bad. */
const outcome = (sink: RecordSink<Schema>, bytes: Uint8Array, batchRows: number, chunkSizes: readonly number[], reuse: boolean): unknown[] => {
  const seen: unknown[] = []
  const finish = (): void => {
    const batch: Batch = sink.finish()
    expect(batch.numRows).toBeLessThanOrEqual(batchRows)
    seen.push(`batch of ${batch.numRows}`)
    for (let row = 0; row < batch.numRows; row++) seen.push(batch.row(row))
  }
  const records = new TfRecordDecoder()
  const memory = new Uint8Array(Math.max(...chunkSizes))
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = Math.min(chunkSizes[n % chunkSizes.length]!, bytes.length - at)
    let chunk = bytes.subarray(at, at + size)
    if (reuse) {
      memory.set(chunk)
      chunk = memory.subarray(0, size)
    }
    at += size
    records.push(chunk)
    for (;;) {
      sink.decodeFrames?.(records, batchRows - sink.length, 1e9)
      if (sink.length >= batchRows) {
        seen.push(`at byte ${records.byteAfter}, record ${records.recordAfter}`)
        finish()
        continue
      }
      try {
        if (!records.next()) break
        sink.decode(records.bytes, records.start, records.end)
      } catch (error) {
        const { _tag, code, position } = fromUnknown(error)
        seen.push([_tag, code, position, records.recordByte, records.record])
        if (_tag !== 'BadRecord') return seen
      }
    }
  }
  if (sink.length > 0) finish()
  return seen
}

const both = (bytes: Uint8Array, batchRows: number, chunkSizes: readonly number[], reuse = true): [unknown[], unknown[]] => [
  outcome(exampleSink(schema, { defaults: undefined, batchRows, maxRecordBytes: undefined }), bytes, batchRows, chunkSizes, reuse),
  outcome(new ExampleDecoder(schema), bytes, batchRows, chunkSizes, reuse),
]

describe('the kernel', () => {
  it('is there', () => {
    expect(exampleSink(schema, { defaults: undefined, batchRows: 10, maxRecordBytes: undefined }).decodeFrames).toBeTypeOf('function')
  })

  it.each(Array.from({ length: 24 }, (_, seed) => seed))('and the decoder agree on files of every kind of record (seed %i)', (seed) => {
    const dice = new Dice(seed * 7919 + 1)
    const bytes = file(dice, 400)
    const sizes = dice.one([[bytes.length], [1 + dice.below(700)], [1, 2, 3000, 17], [100_000, 13]])
    const [ours, due] = both(bytes, dice.one([1, 7, 100, 1000]), sizes, dice.once(2))
    expect(due.length).toBeGreaterThan(300)
    expect(ours).toEqual(due)
  })

  it('and the decoder agree on chunks larger than its window', () => {
    const dice = new Dice(5)
    const part = file(dice, 500)
    const bytes = new Uint8Array(Buffer.concat(Array.from({ length: 12 }, () => part)))
    expect(bytes.length).toBeGreaterThan(2.5 * 1024 * 1024)
    const [ours, due] = both(bytes, 4096, [bytes.length])
    expect(ours).toEqual(due)
  })

  it('leaves a damaged length to the decoder, wherever it stands', () => {
    const bytes = file(new Dice(11), 20)
    for (const at of [0, 3, 4, 8, 11]) {
      const damaged = bytes.slice()
      damaged[at]! ^= 64
      const [ours, due] = both(damaged, 100, [64])
      expect(ours).toEqual(due)
      expect(due).toEqual([expect.arrayContaining(['Corrupt', 'TFRECORD_LENGTH_CRC'])])
    }
    // A length that its own checksum confirms, and that no buffer holds.
    const long = bytes.slice()
    writeWord(long, 0, 0xfffffff0)
    writeWord(long, 8, maskCrc32c(crc32c(long, 0, 8)))
    const [ours, due] = both(long, 100, [bytes.length])
    expect(ours).toEqual(due)
    expect(due).toEqual([expect.arrayContaining(['Limit', 'TFRECORD_TOO_LONG'])])
  })
})
