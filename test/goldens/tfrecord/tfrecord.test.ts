import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { field, pipe, run, type Field, type Schema } from '@millrace/core'
import { readTfRecords, writeTfRecords } from '@millrace/formats'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** What make.py says of a golden. */
interface Golden {
  readonly schema: { readonly [name: string]: { readonly kind: 'int64' | 'float32' | 'utf8' | 'binary'; readonly list?: boolean; readonly nullable?: boolean } }
  readonly rows: readonly { readonly [name: string]: unknown }[]
}

const folder = fileURLToPath(new URL('.', import.meta.url))
const names = readdirSync(folder).filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -5))

const schemaOf = (golden: Golden): Schema =>
  Object.fromEntries(
    Object.entries(golden.schema).map(([name, { kind, list, nullable }]) => {
      const value: Field = field[kind]()
      const listed: Field = list === true ? field.list(value) : value
      return [name, nullable === true ? field.nullable(listed) : listed]
    }),
  )

/** A value as the JSON of the goldens shows it. */
const shown = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(shown)
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (typeof value === 'number') {
    if (Number.isNaN(value)) return 'nan'
    if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
    if (Object.is(value, -0)) return '-0.0'
  }
  return value
}

const rowsOf = async (file: string, schema: Schema): Promise<unknown[]> => {
  const rows: unknown[] = []
  for await (const batch of readTfRecords(file, { schema })) {
    for (let i = 0; i < batch.numRows; i++) rows.push(Object.fromEntries(Object.entries(batch.row(i)).map(([name, value]) => [name, shown(value)])))
  }
  return rows
}

test('there are goldens', () => {
  expect(names.length).toBeGreaterThan(3)
})

for (const name of names) {
  const golden = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Golden
  const schema = schemaOf(golden)
  for (const suffix of ['tfrecord', 'gz', 'zlib']) {
    test(`${name}.${suffix}, written by TensorFlow, reads as it should`, async () => {
      expect(await rowsOf(join(folder, `${name}.${suffix}`), schema)).toEqual(golden.rows)
    })
  }
  test(`${name}.tfrecord survives being written again`, async () => {
    const out = await mkdtemp(join(tmpdir(), 'millrace-golden-'))
    try {
      await run(pipe(readTfRecords(join(folder, `${name}.tfrecord`), { schema }), writeTfRecords(join(out, name), { compression: 'zlib' })))
      expect(await rowsOf(join(out, `${name}-*`), schema)).toEqual(golden.rows)
    } finally {
      await rm(out, { recursive: true, force: true })
    }
  })
}
