import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, fromRows, pipe, run, type Job, type Stream } from '@millrace/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readArrow, readParquet, writeArrow, writeParquet, type OnBadRecord } from '../index.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-misfit-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

const own = {
  id: field.int64(), top: field.uint64(), list: field.list(field.int64()), deep: field.list(field.list(field.utf8())), word: field.dictionary(), bytes: field.binary(), ratio: field.float64(),
  price: field.decimal(10, 2), at: field.timestamp({ unit: 'us' }), day: field.date(), yes: field.bool(), text: field.nullable(field.utf8()),
}
const sound = {
  id: 1n, top: 1n, list: [1n, 2n], deep: [['a', 'b'], []], word: 'x', bytes: new Uint8Array([0, 255]), ratio: NaN, price: '1.50', at: new Date('2026-01-02T03:04:05.678Z'),
  day: new Date('2026-01-02'), yes: true, text: 'ü"\n',
}
/** What {@link sound} is as JSON. */
const soundJson = {
  id: '1', top: '1', list: '[1,2]', deep: '[["a","b"],[]]', word: '"x"', bytes: String.raw`"\\x00ff"`, ratio: '"NaN"', price: '1.50', at: '"2026-01-02T03:04:05.678Z"', day: '"2026-01-02"',
  yes: 'true', text: String.raw`"ü\"\n"`,
}

const wanted = { ...own, id: field.int8(), top: field.int64(), list: field.list(field.int32()), price: field.decimal(4, 2), text: field.utf8() }
const misfits: readonly (readonly [column: keyof typeof own, value: unknown, json: string, code: string])[] = [
  ['id', 2n ** 60n + 1n, '1152921504606846977', 'OUT_OF_RANGE'],
  ['top', 2n ** 64n - 1n, '18446744073709551615', 'OUT_OF_RANGE'],
  ['list', [1n, 2n ** 40n, 3n], '[1,1099511627776,3]', 'OUT_OF_RANGE'],
  ['price', '12345678.90', '12345678.90', 'OUT_OF_RANGE'],
  ['text', null, 'null', 'NULL'],
]

it.each<[string, (url: string) => (stream: Stream<typeof own>) => Job<unknown>, (url: string, onBadRecord: OnBadRecord) => Stream]>([
  ['Parquet', (url) => (stream) => writeParquet(url)(stream), (url, onBadRecord) => readParquet(url, { schema: wanted, onBadRecord })],
  ['Arrow', (url) => (stream) => writeArrow(url)(stream), (url, onBadRecord) => readArrow(url, { schema: wanted, onBadRecord })],
])('a bad row of %s is handed over as JSON, with what the file has in it', async (name, write, read) => {
  const file = join(folder, name)
  const rows = [sound, ...misfits.map(([column, value]) => ({ ...sound, [column]: value }))]
  await run(pipe(fromRows(own, rows as never), write(file)))
  const seen: unknown[] = []
  const good = await run(pipe(read(file, { quarantine: ({ record, column, code, raw }) => void seen.push([record, column, code, new TextDecoder().decode(raw)]) }), collect()))
  expect(good).toHaveLength(1)
  const json = (changed: object): string => `{${Object.entries({ ...soundJson, ...changed }).map(([key, value]) => `"${key}":${value}`).join(',')}}`
  expect(seen).toEqual(misfits.map(([column, , value, code], i) => [i + 1, column, code, json({ [column]: value })]))
})

it('bytes that are no text are handed over as such', async () => {
  const file = join(folder, 'bytes.parquet')
  await run(pipe(fromRows({ a: field.binary() }, [{ a: new Uint8Array([0x61, 0xff]) }, { a: new Uint8Array([0x61]) }]), writeParquet(file)))
  const seen: string[] = []
  expect(await run(pipe(readParquet(file, { schema: { a: field.utf8() }, onBadRecord: { quarantine: ({ raw }) => void seen.push(new TextDecoder().decode(raw)) } }), collect()))).toEqual([{ a: 'a' }])
  expect(seen).toEqual([String.raw`{"a":"\\x61ff"}`])
})
