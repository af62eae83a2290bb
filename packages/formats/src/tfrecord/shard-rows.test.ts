import { batchFromRows, field, type Batch, type Output, type Row, type Schema } from '@millrace/core'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../../test/conformance/random.js'
import { ExampleEncoder } from '../example/index.js'
import { EncoderKernel } from '../example/kernel/encoder-kernel.js'
import { crcTable } from './crc32c.js'
import { RowKernel, ShardRows } from './shard-rows.js'
import { ShardWriter } from './shard-writer.js'

const schema: Schema = {
  f: field.float32(), wide: field.nullable(field.float64()), i: field.int64(), small: field.nullable(field.int8()), word: field.uint32(), huge: field.uint64(),
  yes: field.nullable(field.bool()), text: field.utf8(), raw: field.nullable(field.binary()), day: field.date(), price: field.nullable(field.decimal(12, 2)), kind: field.dictionary(),
  floats: field.list(field.float32()), pair: field.nullable(field.list(field.int32(), { size: 2 })), longs: field.nullable(field.list(field.int64())), texts: field.list(field.utf8()),
  ['k'.repeat(111)]: field.int64(), ['k'.repeat(109)]: field.int64(), ['k'.repeat(118)]: field.float32(), ['k'.repeat(119)]: field.nullable(field.float32()), ['ü'.repeat(150)]: field.nullable(field.utf8()),
}

const integer = (random: Random): bigint => BigInt.asIntN(64, (random.chance(0.5) ? 1n : -1n) * (1n << BigInt(random.below(64))) + BigInt(random.below(3) - 1))
const many = <A>(random: Random, make: () => A): A[] => Array.from({ length: random.chance(0.2) ? random.below(300) : random.below(4) }, make)

const makeRow = (random: Random, longest: number): Row<Schema> => {
  const text = (): string => (random.chance(0.1) ? 'ü' : 'a').repeat(random.below(random.chance(0.9) ? 130 : random.chance(0.9) ? 300 : longest))
  const float = (): number => random.of([0, -0, 1.5, NaN, Infinity, random.next() * 1e30])
  const orNull = <A>(make: () => A): A | null => (random.chance(0.3) ? null : make())
  return {
    f: float(), wide: orNull(float), i: integer(random), small: orNull(() => random.below(256) - 128), word: random.below(2 ** 32), huge: BigInt.asUintN(64, integer(random)),
    yes: orNull(() => random.chance(0.5)), text: text(), raw: orNull(() => Buffer.from(text())), day: new Date(86400000 * (random.below(1e5) - 5e4)),
    price: orNull(() => `-${random.below(1e6)}.07`), kind: random.of(['a', 'bb', '']),
    floats: many(random, float), pair: orNull(() => [random.below(9) - 5, 2 ** 31 - 1]), longs: orNull(() => many(random, () => integer(random))), texts: many(random, text),
    ['k'.repeat(111)]: integer(random), ['k'.repeat(109)]: integer(random), ['k'.repeat(118)]: float(), ['k'.repeat(119)]: orNull(float), ['ü'.repeat(150)]: orNull(text),
  }
}

/** What the shards' outputs get. */
const written = async (ofSchema: Schema, batches: readonly Batch[], count: number, withKernel: boolean): Promise<{ readonly bytes: Buffer[]; readonly rows: number[] }> => {
  const parts = Array.from({ length: count }, (): Uint8Array[] => [])
  const shards = parts.map((part) => {
    const output = { url: 'memory', write: (bytes: Uint8Array) => Promise.resolve(void part.push(bytes.slice())) }
    return new ShardWriter(output as unknown as Output, 'none')
  })
  const encoder = new ExampleEncoder(ofSchema)
  const rows = new ShardRows(encoder, shards, withKernel ? new RowKernel(encoder) : { ask: () => undefined, made: undefined })
  for (const batch of batches) await rows.write(batch)
  await rows.finish()
  return { bytes: parts.map((part) => Buffer.concat(part)), rows: shards.map((shard) => shard.rows) }
}

const expectSame = async (ofSchema: Schema, batches: readonly Batch[], shards: number): Promise<void> => {
  const ours = await written(ofSchema, batches, shards, true)
  const due = await written(ofSchema, batches, shards, false)
  expect(ours.rows).toEqual(due.rows)
  for (let shard = 0; shard < shards; shard++) {
    const at = ours.bytes[shard]!.findIndex((byte, i) => byte !== due.bytes[shard]![i])
    expect([ours.bytes[shard]!.length, at]).toEqual([due.bytes[shard]!.length, -1])
  }
}

describe('the encoder kernel', () => {
  it('is there', () => {
    expect(EncoderKernel.of(new ExampleEncoder(schema).writers, crcTable)).toBeInstanceOf(EncoderKernel)
  })

  it.each(Array.from({ length: Number(process.env['MILLRACE_TFRECORD_FUZZ'] ?? 16) }, (_, seed) => seed))('writes what the encoder writes (seed %i)', async (seed) => {
    const random = new Random(seed * 7919 + 1)
    const longest = random.of([400, 20_000, 200_000])
    const rows = Array.from({ length: random.of([40, 300, 900]) }, () => makeRow(random, longest))
    const all = batchFromRows(schema, rows)
    const batches: Batch[] = []
    // Slices, whose offsets and bitmaps begin anywhere.
    for (let start = 0; start < rows.length; ) {
      const end = Math.min(rows.length, start + 1 + random.below(random.of([20, 400])))
      batches.push(all.slice(start, end))
      start = end
    }
    await expectSame(schema, batches, random.of([1, 1, 2, 7]))
  })

  it('goes on where its memory is full, and leaves rows that are longer than that to the encoder', async () => {
    const table = { text: field.binary(), n: field.int64() }
    const sizes = [100, 2_000_000, 7, 900_000, 1_048_500, 30, ...Array.from({ length: 5000 }, (_, i) => i % 1200)]
    const batch = batchFromRows(table, sizes.map((size) => ({ text: new Uint8Array(size).fill(size), n: BigInt(size) })))
    for (const shards of [1, 3]) await expectSame(table, [batch], shards)
    // One long row among many short ones, which are loaded together.
    const among = batchFromRows(table, Array.from({ length: 4000 }, (_, i) => ({ text: new Uint8Array(i === 2000 ? 1_500_000 : 5), n: 1n })))
    for (const shards of [1, 2]) await expectSame(table, [among, among], shards)
  })

  it('writes records of every length around those at which lengths take a byte more', async () => {
    const table = { t: field.binary() }
    const sizes = [...Array.from({ length: 140 }, (_, i) => i), ...Array.from({ length: 60 }, (_, i) => 16384 - 40 + i)]
    await expectSame(table, [batchFromRows(table, sizes.map((size) => ({ t: new Uint8Array(size).fill(7) })))], 1)
  })

  it('writes records without a feature', async () => {
    const table = { a: field.nullable(field.int64()), b: field.nullable(field.list(field.utf8())) }
    await expectSame(table, [batchFromRows(table, Array.from({ length: 40 }, (_, i) => ({ a: i % 3 === 0 ? 1n : null, b: i % 5 === 0 ? [] : null })))], 1)
    await expectSame({}, [batchFromRows({}, Array.from({ length: 40 }, () => ({})))], 2)
  })
})
