import { existsSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { batchFromRows, field, fixedColumn, bytesColumn, makeBatch, type Batch, type Schema } from '@millrace/core'
import { ByteBuffer, encodeFrame, ExampleEncoder, SequenceExampleEncoder } from '@millrace/formats'
import { images, lists, sequences, sparse, strings, tabular, wide, type Tabular } from './tfrecord-schemas.js'

const IMAGE_BYTES = 30_000
const countries = ['US', 'GB', 'DE', 'FR', 'IN', 'BR', 'JP', 'CN']
const devices = ['mobile', 'desktop', 'tablet', 'tv']
const cities = ['San Francisco', 'London', 'Berlin', 'Paris', 'Mumbai', 'Sao Paulo', 'Tokyo', 'Shanghai']

/** A generator of numbers from 0 to 1, the same on every machine. */
const randomNumbers = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 4294967296
}

const texts = (rows: number, choices: readonly string[], random: () => number) => {
  const offsets = new Int32Array(rows + 1)
  const parts: Uint8Array[] = []
  for (let i = 0; i < rows; i++) {
    const text = Buffer.from(choices[Math.floor(random() * choices.length)]!)
    parts.push(text)
    offsets[i + 1] = offsets[i]! + text.length
  }
  return bytesColumn(field.utf8(), offsets, new Uint8Array(Buffer.concat(parts)))
}

/** The table in batches of 4,096 rows. */
const tabularBatches = (rows: number): Batch<Tabular>[] => {
  const random = randomNumbers(12345)
  const batches: Batch<Tabular>[] = []
  for (let start = 0; start < rows; start += 4096) {
    const size = Math.min(4096, rows - start)
    const floats = (from: number, range: number) => fixedColumn(field.float32(), Float32Array.from({ length: size }, () => from + random() * range))
    const integers = (from: number, range: number) => fixedColumn(field.int64(), BigInt64Array.from({ length: size }, () => BigInt(from + Math.floor(random() * range))))
    batches.push(
      makeBatch(tabular, {
        age: floats(0, 80), income: floats(0, 1e5), score: floats(0, 1), height: floats(150, 50), weight: floats(50, 50),
        user_id: integers(0, 1e9), clicks: integers(0, 100), visits: integers(0, 1000), ts: integers(1.7e12, 1e9), label: integers(0, 2),
        country: texts(size, countries, random), device: texts(size, devices, random), city: texts(size, cities, random),
      }),
    )
  }
  return batches
}

const shuffled = (names: readonly string[], random: () => number): string[] => {
  const out = [...names]
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[out[i], out[j]] = [out[j]!, out[i]!]
  }
  return out
}

function* tabularFrames(batches: readonly Batch<Tabular>[], orders: readonly (readonly string[])[]): Generator<Uint8Array> {
  const encoders = orders.map((order) => new ExampleEncoder(tabular, order))
  const out = new ByteBuffer()
  let record = 0
  for (const batch of batches) {
    for (const encoder of encoders) encoder.bind(batch)
    for (let row = 0; row < batch.numRows; row++) {
      out.clear()
      encoders[record++ % encoders.length]!.encode(row, out)
      yield encodeFrame(out.written())
    }
  }
}

function* imageFrames(count: number): Generator<Uint8Array> {
  const random = randomNumbers(777)
  const encoder = new ExampleEncoder(images)
  const out = new ByteBuffer()
  for (let i = 0; i < count; i++) {
    const pixels = Uint8Array.from({ length: IMAGE_BYTES }, () => random() * 256)
    encoder.bind(makeBatch(images, { image: bytesColumn(field.binary(), Int32Array.of(0, IMAGE_BYTES), pixels), label: fixedColumn(field.int64(), BigInt64Array.of(BigInt(i % 10))) }))
    out.clear()
    encoder.encode(0, out)
    yield encodeFrame(out.written())
  }
}

function* sequenceFrames(count: number): Generator<Uint8Array> {
  const random = randomNumbers(4711)
  const below = (limit: number): number => Math.floor(random() * limit)
  const many = <A>(length: number, make: () => A): A[] => Array.from({ length }, make)
  const schema = { ...sequences.context, ...sequences.featureLists }
  const encoder = new SequenceExampleEncoder(schema, { featureLists: Object.keys(sequences.featureLists) })
  const out = new ByteBuffer()
  for (let i = 0; i < count; i++) {
    const steps = 1 + below(40)
    const row = {
      user: BigInt(below(1e9)), country: countries[below(countries.length)]!,
      price: many(steps, () => random() * 100), item: many(steps, () => BigInt(below(1e6))), tags: many(steps, () => many(below(5), () => BigInt(below(1000)))),
    }
    encoder.bind(batchFromRows(schema, [row]))
    out.clear()
    encoder.encode(0, out)
    yield encodeFrame(out.written())
  }
}

/** Records of rows that `row` makes. */
function* rowFrames(schema: Schema, count: number, row: () => { readonly [name: string]: unknown }): Generator<Uint8Array> {
  const encoder = new ExampleEncoder(schema)
  const out = new ByteBuffer()
  for (let i = 0; i < count; i++) {
    encoder.bind(batchFromRows(schema, [row()] as never))
    out.clear()
    encoder.encode(0, out)
    yield encodeFrame(out.written())
  }
}

/** Values by a schema of numbers, each there with a probability of `share`. */
const numbersOf = (schema: Schema, share: number, random: () => number) => () =>
  Object.fromEntries(
    Object.entries(schema).map(([name, { kind }]) => [name, random() >= share ? null : kind === 'int64' ? BigInt(Math.floor(random() * 1000)) : Math.fround(random())]),
  )

const LETTERS = 'abcdefghijklmnopqrstuvwxyz äöé'

const textsOf = (schema: Schema, random: () => number) => () =>
  Object.fromEntries(Object.keys(schema).map((name) => [name, Array.from({ length: Math.floor(random() * 40) }, () => LETTERS[Math.floor(random() * LETTERS.length)]).join('')]))

const listsOf = (random: () => number) => () => {
  const ids = Array.from({ length: Math.floor(random() * 50) }, () => BigInt(Math.floor(random() * 1e6)))
  return { embedding: Array.from({ length: 64 }, () => Math.fround(random())), ids, weights: ids.map(() => Math.fround(random())) }
}

/** Files that the suite reads, by what they hold. */
export interface TfRecordData {
  readonly tabular: string
  readonly shuffled: string
  readonly images: string
  readonly sequences: string
  readonly wide: string
  readonly strings: string
  readonly lists: string
  readonly sparse: string
}

/** Writes the suite's files where they are missing, the same bytes on every machine. */
export const makeData = async (folder: string, scale: number): Promise<TfRecordData> => {
  const rows = Math.ceil(200_000 * scale)
  const pictures = Math.ceil(3000 * scale)
  const sessions = Math.ceil(40_000 * scale)
  const [rowsWide, rowsOfTexts, rowsOfLists, rowsSparse] = [10_000, 100_000, 60_000, 100_000].map((count) => Math.ceil(count * scale)) as [number, number, number, number]
  const random = randomNumbers(99)
  // 997 orders: more than any guess about the next record's order could learn.
  const orders = Array.from({ length: 997 }, () => shuffled(Object.keys(tabular), random))
  const make = async (name: string, frames: () => Iterable<Uint8Array>): Promise<string> => {
    const file = `${folder}/${name}.tfrecord`
    if (existsSync(file)) return file
    const part = `${file}.${process.pid}`
    await mkdir(folder, { recursive: true })
    await writeFile(part, Buffer.concat([...frames()]))
    await rename(part, file)
    return file
  }
  return {
    tabular: await make(`tabular-${rows}`, () => tabularFrames(tabularBatches(rows), [Object.keys(tabular)])),
    shuffled: await make(`shuffled-${rows}`, () => tabularFrames(tabularBatches(rows), orders)),
    images: await make(`images-${pictures}`, () => imageFrames(pictures)),
    sequences: await make(`sequences-${sessions}`, () => sequenceFrames(sessions)),
    wide: await make(`wide-${rowsWide}`, () => rowFrames(wide, rowsWide, numbersOf(wide, 1, randomNumbers(5)))),
    strings: await make(`strings-${rowsOfTexts}`, () => rowFrames(strings, rowsOfTexts, textsOf(strings, randomNumbers(6)))),
    lists: await make(`lists-${rowsOfLists}`, () => rowFrames(lists, rowsOfLists, listsOf(randomNumbers(7)))),
    sparse: await make(`sparse-${rowsSparse}`, () => rowFrames(sparse, rowsSparse, numbersOf(sparse, 0.05, randomNumbers(8)))),
  }
}
