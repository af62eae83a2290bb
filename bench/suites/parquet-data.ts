import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { batchFromRows, field, fromBatches, pipe, run, type Batch, type Schema } from '@millrace/core'
import { writeParquet } from '@millrace/formats'

/** Numbers from 0 to 1, the same on every machine. */
const randomNumbers = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 4294967296
}

const many = <F>(count: number, make: (index: number) => readonly [string, F]): { readonly [name: string]: F } => Object.fromEntries(Array.from({ length: count }, (_, index) => make(index)))

/** Columns of each shape of the parquet suite. */
export const parquetSchemas: { readonly [shape: string]: Schema } = {
  mixed: {
    id: field.int64(), user: field.utf8(), city: field.dictionary(), score: field.float32(), amount: field.float64(), age: field.int32(), seen: field.int64(),
    note: field.utf8(), latitude: field.float64(), longitude: field.float64(),
  },
  numbers: many(12, (index) => [`n${index}`, [field.int32(), field.int64(), field.float32(), field.float64()][index % 4]!]),
  nulls: many(10, (index) => [`n${index}`, field.nullable([field.int32(), field.int64(), field.float64(), field.utf8()][index % 4]!)]),
  texts: { id: field.int32(), title: field.utf8(), text: field.utf8() },
}

const sentence = 'the quick brown fox jumps over the lazy dog, and nobody minds; '
const cities = ['San Francisco', 'London', 'Berlin', 'Paris', 'Mumbai', 'Sao Paulo', 'Tokyo', 'Zürich']

const valueOf = (name: string, kind: string, row: number, random: () => number): unknown => {
  if (name === 'id') return kind === 'int64' ? BigInt(row) : row
  if (name === 'city') return cities[Math.floor(random() * 8)]
  if (name === 'text') return sentence.repeat(8 + Math.floor(random() * 24))
  if (kind === 'utf8') return `${name} ${Math.floor(random() * 100_000)}`
  if (kind === 'int64') return 1_700_000_000_000n + BigInt(Math.floor(random() * 1e9))
  return kind === 'int32' ? Math.floor(random() * 1e9) : Math.fround(random() * 360 - 180)
}

const shapeRows: { readonly [shape: string]: number } = { mixed: 400_000, numbers: 500_000, nulls: 400_000, texts: 40_000 }
const BATCH = 4096

function* batches(schema: Schema, count: number): Generator<Batch> {
  const random = randomNumbers(4242)
  for (let start = 0; start < count; start += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, count - start) }, (_, i) =>
      Object.fromEntries(Object.entries(schema).map(([name, { kind, nullable }]) => [name, nullable && random() < 0.1 ? null : valueOf(name, kind, start + i, random)])))
    yield batchFromRows(schema, rows as never)
  }
}

/** Writes the file of a shape where it is missing, the same bytes on every machine. */
export const makeParquet = async (folder: string, shape: string, scale: number): Promise<string> => {
  const count = Math.ceil(shapeRows[shape]! * scale)
  const file = `${folder}/${shape}-${count}.parquet`
  if (existsSync(file)) return file
  await mkdir(folder, { recursive: true })
  await run(pipe(fromBatches(parquetSchemas[shape]!, [...batches(parquetSchemas[shape]!, count)]), writeParquet(file, { dictionary: false })))
  return file
}
