import { existsSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { csvSchemas } from './csv-schemas.js'

/** Numbers from 0 to 1, the same on every machine. */
const randomNumbers = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 4294967296
}

const cities = ['San Francisco', 'London', 'Berlin', 'Paris', 'Mumbai', 'Sao Paulo', 'Tokyo', 'Zürich']
const sentence = 'the quick brown fox jumps over the lazy dog, and nobody minds; '

/** One line of a shape. */
const lines: { readonly [shape: string]: (row: number, random: () => number) => string } = {
  mixed: (row, random) => {
    const note = row % 5 === 0 ? `"said ""${cities[row % 8]!}"", twice"` : row % 11 === 0 ? '"two\nlines"' : `note ${row % 1000}`
    const day = `2024-0${1 + (row % 9)}-1${row % 10}`
    const integer = (limit: number): number => Math.floor(random() * limit)
    return [
      row, `user${integer(100_000)}`, cities[integer(8)]!, random().toFixed(6), (random() * 1000).toFixed(2), integer(100), 1_700_000_000_000 + integer(1e9), day, note,
      (random() * 180 - 90).toFixed(5), (random() * 360 - 180).toFixed(5), integer(2),
    ].join(',')
  },
  integers: (_, random) => Array.from({ length: 16 }, (__, i) => Math.floor((random() - 0.5) * (i < 10 ? 10 ** (1 + (i % 9)) : 10 ** (4 + 2 * (i - 10))))).join(','),
  // Floats with all the digits that they have, as programs print them.
  floats: (_, random) => Array.from({ length: 12 }, (__, i) => (i < 6 ? (random() * 1000).toFixed(i) : String((random() + random() / 2 ** 32) * 10 ** (i - 8)))).join(','),
  texts: (row, random) => `${row},"title of ${row}","${sentence.repeat(8 + Math.floor(random() * 24))}"`,
}
const rows: { readonly [shape: string]: number } = { mixed: 180_000, integers: 180_000, floats: 130_000, texts: 16_000 }

/** Writes the file of a shape where it is missing, the same bytes on every machine. */
export const makeCsv = async (folder: string, shape: string, scale: number): Promise<string> => {
  const count = Math.ceil(rows[shape]! * scale)
  const file = `${folder}/${shape}-${count}.csv`
  if (existsSync(file)) return file
  const random = randomNumbers(4242)
  const text = [Object.keys(csvSchemas[shape]!).join(',')]
  for (let row = 0; row < count; row++) text.push(lines[shape]!(row, random))
  const part = `${file}.${process.pid}`
  await mkdir(folder, { recursive: true })
  await writeFile(part, `${text.join('\n')}\n`)
  await rename(part, file)
  return file
}
