import { batchFromRows, field, type Batch, type Schema } from '@millrace/core'

/** Tables as databases have them, by the shapes of the sql suite. */
export const sqlSchemas = {
  /** Of every kind, with nulls. */
  mixed: {
    id: field.int64(), n: field.int32(), x: field.float64(), word: field.nullable(field.utf8()), at: field.timestamp(), price: field.nullable(field.decimal(12, 2)), day: field.date(),
  },
  numbers: { id: field.int64(), a: field.int32(), b: field.int32(), c: field.int32(), p: field.float64(), q: field.float64(), r: field.float64(), big: field.int64() },
  texts: { id: field.int32(), title: field.utf8(), body: field.utf8() },
} satisfies { readonly [shape: string]: Schema }

/** A shape of a table. */
export type SqlShape = keyof typeof sqlSchemas

/** Rows of the full form. */
const shapeRows: { readonly [S in SqlShape]: number } = { mixed: 100_000, numbers: 200_000, texts: 20_000 }
const BATCH_ROWS = 4096

const sentence = 'Straßenbahnen fahren, wohin Schienen führen; '

/** A value of a row, the same on every machine. */
const valueOf = (name: string, row: number, random: () => number): unknown => {
  switch (name) {
    case 'id':
      return row
    case 'big':
      return 2n ** 53n + BigInt(row)
    case 'x': case 'p': case 'q': case 'r':
      return random() / 1000
    case 'word':
      return random() % 10 === 0 ? null : `word ${random()}`.padEnd(24, '-')
    case 'at':
      return new Date(1_700_000_000_000 + (random() % 1_000_000_000))
    case 'price':
      return random() % 10 === 0 ? null : `${random() % 10_000_000}.${String(random() % 100).padStart(2, '0')}`
    case 'day':
      return new Date(86_400_000 * (random() % 20_000))
    case 'title':
      return `title ${random()}`
    case 'body':
      return sentence.repeat(10 + (random() % 30))
    default:
      return random() | 0
  }
}

/** The rows of a shape in memory, the same each time. */
export const sqlBatches = (shape: SqlShape, scale: number): readonly Batch[] => {
  let seed = 7
  const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0)
  const schema: Schema = sqlSchemas[shape]
  const rows = Math.max(1, Math.round(shapeRows[shape] * scale))
  const batches: Batch[] = []
  for (let at = 0; at < rows; at += BATCH_ROWS) {
    const count = Math.min(BATCH_ROWS, rows - at)
    const row = (i: number) => Object.fromEntries(Object.entries(schema).map(([name, { kind }]) => [name, name === 'id' && kind === 'int64' ? BigInt(at + i) : valueOf(name, at + i, random)]))
    batches.push(batchFromRows(schema, Array.from({ length: count }, (_, i) => row(i)) as never))
  }
  return batches
}
