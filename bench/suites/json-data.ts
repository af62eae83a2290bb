import { existsSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'

/** Numbers from 0 to 1, the same on every machine. */
const randomNumbers = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 4294967296
}

const cities = ['San Francisco', 'London', 'Berlin', 'Paris', 'Mumbai', 'Sao Paulo', 'Tokyo', 'Zürich']
const sentence = 'the quick brown fox jumps over the lazy dog, and says "nobody minds"\n'

/** One record of a shape. */
const records: { readonly [shape: string]: (row: number, random: () => number) => unknown } = {
  mixed: (row, random) => ({
    id: row, user: `user${Math.floor(random() * 100_000)}`, city: cities[Math.floor(random() * 8)], score: random(), clicks: Math.floor(random() * 100), active: random() < 0.5,
    tags: ['a', 'b', 'c'].slice(row % 3), note: `note ${row % 1000}`,
  }),
  numbers: (_, random) => ({
    ...Object.fromEntries(Array.from({ length: 8 }, (__, i) => [`i${i}`, Math.floor((random() - 0.5) * 10 ** (1 + i))])),
    ...Object.fromEntries(Array.from({ length: 8 }, (__, i) => [`d${i}`, i < 4 ? Math.round(random() * 1e5) / 10 ** i : (random() + random() / 2 ** 32) * 10 ** (i - 6)])),
  }),
  texts: (row, random) => ({ id: row, title: `title of ${row}`, body: sentence.repeat(8 + Math.floor(random() * 24)) }),
  nested: (row, random) => ({
    id: row,
    address: { street: `${row} High Street`, city: cities[row % 8], place: { latitude: random() * 180 - 90, longitude: random() * 360 - 180 } },
    device: { brand: `brand ${row % 17}`, screen: { width: 1920, height: 1080 }, history: [{ at: row, events: [] }] },
  }),
  lists: (row, random) => ({ id: row, embedding: Array.from({ length: 64 }, () => Math.fround(random() * 2 - 1)) }),
  sparse: (row, random) => ({ id: row, ...Object.fromEntries(Array.from({ length: 4 }, () => [`s${Math.floor(random() * 32)}`, random()])) }),
}
const rows: { readonly [shape: string]: number } = { mixed: 180_000, numbers: 90_000, texts: 16_000, nested: 80_000, lists: 20_000, sparse: 180_000 }

/** Writes the file of a shape where it is missing, the same bytes on every machine: a record a line, or an array with a record a line. */
export const makeJson = async (folder: string, shape: string, format: 'lines' | 'array', scale: number): Promise<string> => {
  const count = Math.ceil(rows[shape]! * scale)
  const file = `${folder}/${shape}-${count}.${format}.json`
  if (existsSync(file)) return file
  const random = randomNumbers(4242)
  const texts = Array.from({ length: count }, (_, row) => JSON.stringify(records[shape]!(row, random)))
  const part = `${file}.${process.pid}`
  await mkdir(folder, { recursive: true })
  await writeFile(part, format === 'lines' ? `${texts.join('\n')}\n` : `[${texts.join(',\n')}]\n`)
  await rename(part, file)
  return file
}
