import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { batchFromRows, collect, field, fromBatches, pipe, quarantine, run, type Batch, type Column, type OnBadRecord, type RejectedRecord, type Schema, type Stream } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorOf } from '../../../../test/support/error-of.js'
import { readArrow, writeArrow } from '../arrow/index.js'
import { readJson } from '../json/index.js'
import { readParquet, writeParquet } from '../parquet/index.js'
import { rowJson } from './sound-rows.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-replay-rows-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const rest = {
  wide: field.float64(), narrow: field.float32(), raw: field.binary(), price: field.decimal(38, 10), big: field.int64(), word: field.uint64(), day: field.date(), at: field.timestamp({ unit: 'ns' }),
  second: field.timestamp({ unit: 's' }), yes: field.bool(), text: field.utf8(), kind: field.dictionary(), floats: field.list(field.nullable(field.float64())), days: field.list(field.date()),
  lists: field.list(field.list(field.int64())), none: field.nullable(field.float64()), noBytes: field.nullable(field.binary()), noList: field.nullable(field.list(field.float32())),
}
const schema = { id: field.int32(), ...rest } satisfies Schema
const written = { id: field.int64(), ...rest } satisfies Schema

const row = (float: number, more: object): object => ({
  id: 2n ** 40n, wide: float, narrow: float, raw: new Uint8Array([0, 255, 92, 120]), price: '-1234567890123456789012345678.0123456789', big: -(2n ** 63n), word: 2n ** 64n - 1n,
  day: new Date('1890-02-03'), at: -1_234_567_890_123_456_789n, second: new Date('9999-12-31T23:59:59Z'), yes: true, text: '\\x00 "NaN"\n', kind: 'NaN', floats: [float, null, -0, 5e-324],
  days: [new Date('2024-02-29')], lists: [[2n ** 63n - 1n], []], none: null, noBytes: null, noList: null, ...more,
})
const rows = [
  row(NaN, {}), row(Infinity, { raw: new Uint8Array(0), text: 'Infinity', noBytes: new Uint8Array([1]), noList: [NaN, -Infinity, 1.5] }),
  row(-Infinity, { none: -Infinity, floats: [], text: '\\xff', days: [] }), row(-0, { none: NaN, kind: '-Infinity' }), row(0.1, { none: 1e-7 }),
]
const batch = batchFromRows(written, rows as never)
const stream = fromBatches(written, [batch])

/** The bytes in the columns but for the id's, which are to come back. */
const bytesOf = (batches: readonly Batch[]): readonly unknown[] => batches.map(({ columns }) => Object.keys(rest).map((name) => {
  const column = (columns as { readonly [name: string]: Column })[name]!
  return column.toArray().map((value) => (typeof value === 'bigint' ? `${value}n` : value))
}))

const batchesOf = async (of: Stream): Promise<readonly Batch[]> => {
  const batches: Batch[] = []
  for await (const each of of.open()) batches.push(each)
  return batches
}

/** The rows that do not fit, as their quarantine has them. */
const rejectedBy = async (read: (onBadRecord: OnBadRecord) => Stream): Promise<readonly string[]> => {
  const rejected: RejectedRecord[] = []
  expect(await run(pipe(read(quarantine((record) => void rejected.push(record))), collect()))).toEqual([])
  return rejected.map(({ raw, encoding }) => new TextDecoder(encoding).decode(raw))
}

const sources: { readonly [name: string]: () => Promise<readonly string[]> } = {
  Parquet: async () => {
    await run(pipe(stream, writeParquet(join(folder, 'x.parquet'), { ifExists: 'replace' })))
    return rejectedBy((onBadRecord) => readParquet(join(folder, 'x.parquet'), { schema, onBadRecord }) as Stream)
  },
  Arrow: async () => {
    await run(pipe(stream, writeArrow(join(folder, 'x.arrow'), { ifExists: 'replace' })))
    return rejectedBy((onBadRecord) => readArrow(join(folder, 'x.arrow'), { schema, onBadRecord }) as Stream)
  },
  // As readSql, readHive and writeSql make them.
  databases: () => {
    const json = rowJson(Object.fromEntries(Object.entries(batch.columns as { readonly [name: string]: Column }).map(([name, column]) => [name, { column, faults: new Map() }])))
    return Promise.resolve(rows.map((_, i) => new TextDecoder().decode(json(i))))
  },
}

describe.each(Object.keys(sources))('bad rows of %s', (source) => {
  it.each(['auto', 'stream-json'] as const)('are read again by readJson (%s) with every value that they had', async (parser) => {
    const records = await sources[source]!()
    expect(records).toHaveLength(rows.length)
    const path = join(folder, `${source}.jsonl`)
    writeFileSync(path, records.map((record) => record.replace(String(2n ** 40n), '7')).join('\n'))
    const read = await batchesOf(readJson(path, { schema, parser }) as Stream)
    expect(bytesOf(read)).toEqual(bytesOf([batch]))
    expect(Array.from((read[0]!.columns as { readonly id: Column }).id.toArray())).toEqual(rows.map(() => 7))
  })
})

it.each(['auto', 'stream-json'] as const)('other texts are no floats and no bytes (%s)', async (parser) => {
  const path = join(folder, 'other.jsonl')
  for (const [name, value] of [['wide', '"nan"'], ['wide', '"1.5"'], ['wide', '"toString"'], ['raw', '"text"'], ['raw', '"\\\\x0"'], ['raw', '"\\\\x0g"'], ['raw', '1']] as const) {
    writeFileSync(path, `{"${name}":${value}}\n`)
    expect(await errorOf(run(pipe(readJson(path, { schema: { [name]: rest[name] }, parser }), collect()))), value).toMatchObject({ _tag: 'BadRecord', code: 'WRONG_TYPE', position: { column: name } })
  }
})
