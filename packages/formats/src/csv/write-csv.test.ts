import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, fromRows, pipe, run, type Row, type Schema } from '@millrace/core'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Random } from '../../../../test/conformance/random.js'
import { errorOf } from '../../../../test/support/error-of.js'
import { readCsv, writeCsv, type WriteCsvOptions } from './index.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-write-csv-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const path = (): string => join(folder, 'x.csv')
const write = async <S extends Schema>(schema: S, rows: readonly Row<S>[], options: WriteCsvOptions = {}): Promise<string> => {
  await run(pipe(fromRows(schema, rows), writeCsv(path(), { ...options, ifExists: 'replace' })))
  return readFileSync(path(), 'utf8')
}

describe('what nulls are written as', () => {
  const schema = { a: field.nullable(field.utf8()), n: field.nullable(field.int32()), b: field.utf8() }

  it.each([',', 'N,A', '"', 'N\nA', '\r', '\ufeffNA'])('cannot be %j, which would need quotes', async (nullToken) => {
    expect(await errorOf(Promise.resolve().then(() => write(schema, [], { nullToken })))).toMatchObject({ _tag: 'Usage', code: 'CSV_OPTIONS' })
  })

  it('cannot be the end of a delimiter', async () => {
    expect(await errorOf(Promise.resolve().then(() => write(schema, [], { delimiter: '||', nullToken: '|' })))).toMatchObject({ _tag: 'Usage', code: 'CSV_OPTIONS' })
  })

  it('is no value of a nullable column, since readers would take that for null', async () => {
    expect(await errorOf(write(schema, [{ a: 'NA', n: 1, b: '' }], { nullToken: 'NA' }))).toMatchObject({ _tag: 'BadRecord', code: 'CSV_NULL_TOKEN', position: { column: 'a' } })
    expect(await errorOf(write(schema, [{ a: '', n: 0, b: '' }], { nullToken: '0' }))).toMatchObject({ _tag: 'BadRecord', code: 'CSV_NULL_TOKEN', position: { column: 'n' } })
    const rows = [{ a: null, n: null, b: 'NA' }, { a: '', n: 0, b: '' }]
    expect(await write(schema, rows, { nullToken: 'NA' })).toBe('a,n,b\nNA,NA,NA\n,0,\n')
    expect(await run(pipe(readCsv(path(), { schema, nullTokens: ['NA'] }), collect()))).toEqual(rows)
  })
})

it('a first name or field that begins like a byte order mark is quoted', async () => {
  expect(await write({ '\ufeffa': field.utf8() }, [{ '\ufeffa': '\ufeffb' }])).toBe('"\ufeffa"\n"\ufeffb"\n')
  expect(await write({ a: field.utf8() }, [{ a: '\ufeffb' }], { header: false })).toBe('"\ufeffb"\n')
})

it('fields whose edges would make a delimiter of several characters together with one are quoted', async () => {
  expect(await write({ a: field.utf8(), b: field.utf8() }, [{ a: 'x|', b: '|y' }, { a: 'x', b: 'y|z' }], { delimiter: '||' })).toBe('a||b\n"x|"||"|y"\nx||y|z\n')
})

describe('random tables', () => {
  const DELIMITERS = [',', ';', '\t', '|', '||', '|||', '::', 'aba', ', ', '→', ' ', '😀', '.', '1']
  const PARTS = [',', ';', '\t', '|', ':', '"', '\n', '\r', '\r\n', ' ', 'a', 'b', 'N', 'A', '1', '.', '\ufeff', 'ü', '→', '😀', '']
  const text = (random: Random): string => Array.from({ length: random.below(5) }, () => random.of(PARTS)).join('')

  it.each([1, 2, 3, 4])('come back by both parsers and by csv-parse, seed %i', async (seed) => {
    const random = new Random(seed)
    for (let round = 0; round < 40; round++) {
      const delimiter = random.of(DELIMITERS)
      const nullToken = random.of([undefined, 'NA', '\\N', 'null'])
      const header = random.chance(0.7)
      // Keys that are integers come first in any object.
      const names = [...new Set(Array.from({ length: 1 + random.below(4) }, () => text(random).replace(/^\d+$/, 'n')))]
      const isNullable = names.map(() => random.chance(0.5))
      const schema = Object.fromEntries(names.map((name, i) => [name, isNullable[i] ? field.nullable(field.utf8()) : field.utf8()]))
      // An empty text and a null look alike where nothing stands for null.
      const value = (i: number): string | null => {
        const own = isNullable[i] && random.chance(0.3) ? null : text(random)
        return isNullable[i] && own === (nullToken ?? '') ? 'other' : own
      }
      const rows = Array.from({ length: 1 + random.below(8) }, () => Object.fromEntries(names.map((name, i) => [name, value(i)])))
      const written = await write(schema, rows as Row<typeof schema>[], { delimiter, nullToken, header })
      const shown = `seed ${seed}, round ${round}: ${JSON.stringify({ delimiter, nullToken, header, written })}`
      for (const parser of ['auto', 'csv-parse'] as const) {
        const stream = readCsv(path(), { schema, delimiter, header, parser, ...(nullToken === undefined ? {} : { nullTokens: [nullToken] }) })
        expect(await run(pipe(stream, collect())), shown).toEqual(rows)
      }
      const texts = rows.map((row) => names.map((name) => row[name] ?? nullToken ?? ''))
      expect(parse(written, { delimiter }), shown).toEqual(header ? [names, ...texts] : texts)
    }
  })
})
