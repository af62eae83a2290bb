import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failure, type MillraceError } from '../errors/index.js'
import { pipe, run } from '../job/index.js'
import { field } from '../schema/index.js'
import { concat, countRows, fromIterable, interleave, Tally, type Stream } from '../stream/index.js'
import { quarantine, readQuarantine, rejectRecord, withQuarantine, type OnBadRecord, type RejectedRecord } from './index.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-quarantine-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const bad = (record: number): MillraceError =>
  failure({ tag: 'BadRecord', code: 'BAD', problem: 'bad', position: { source: 'in.csv', record, byte: record * 10, column: 'x' } })

const read = (policy: OnBadRecord | undefined, tally: Tally, fails = false): AsyncGenerator<number> =>
  withQuarantine(policy, async function* (open) {
    for (let record = 0; record < 4; record++) {
      if (record % 2 === 0) yield record
      else await rejectRecord(open, { tally }, bad(record), new Uint8Array([0, 255, record]))
    }
    if (fails) throw new Error('cut')
  })

const drain = async (values: AsyncIterable<number>): Promise<number[]> => {
  const all: number[] = []
  for await (const value of values) all.push(value)
  return all
}

it('keeps records with their position and bytes, and gives them back', async () => {
  const url = join(folder, 'bad.jsonl')
  const tally = new Tally()
  expect(await drain(read(quarantine(url), tally))).toEqual([0, 2])
  const records: RejectedRecord[] = []
  for await (const record of readQuarantine(url)) records.push(record)
  expect(records.map((record) => [record.record, record.byte, record.column, record.code, [...record.raw!]])).toEqual([
    [1, 10, 'x', 'BAD', [0, 255, 1]],
    [3, 30, 'x', 'BAD', [0, 255, 3]],
  ])
  expect(tally.summary()).toMatchObject({ rejected: 2, rejectedByCode: { BAD: 2 } })
})

it('replaces the file at the next reading, and keeps it when the reading fails', async () => {
  const url = join(folder, 'bad.jsonl')
  const policy = quarantine(url)
  await drain(read(policy, new Tally()))
  await expect(drain(read(policy, new Tally(), true))).rejects.toThrow('cut')
  let count = 0
  for await (const record of readQuarantine(url)) count += record.record > 0 ? 1 : 0
  expect(count).toBe(2)
  expect(await readdir(folder)).toEqual(['bad.jsonl'])
})

it('leaves no file when there are no bad records, and removes no other than its own', async () => {
  const url = join(folder, 'bad.jsonl')
  const clean = (): AsyncGenerator<number> => withQuarantine(quarantine(url), async function* () {
    yield 1
  })
  await drain(clean())
  await drain(read(quarantine(url), new Tally()))
  expect(await readdir(folder)).toEqual(['bad.jsonl'])
  // Left early, a reading has not seen whether there are any.
  for await (const value of clean()) if (value === 1) break
  expect(await readdir(folder)).toEqual(['bad.jsonl'])
  await drain(clean())
  expect(await readdir(folder)).toEqual([])
  await writeFile(url, 'id,name\n1,dear to somebody\n')
  await drain(clean())
  expect(await readdir(folder)).toEqual(['bad.jsonl'])
})

it('keeps the file of an earlier reading where another one has not seen all records', async () => {
  const url = join(folder, 'bad.jsonl')
  await drain(read(quarantine(url), new Tally()))
  const none = async function* (fails: boolean): AsyncGenerator<number> {
    if (fails) throw new Error('gone')
    yield 1
  }
  await expect(drain(withQuarantine(quarantine(url), () => none(true)))).rejects.toThrow('gone')
  await drain(withQuarantine(quarantine(url), () => none(false), { from: { rows: 4 } }))
  expect(await readdir(folder)).toEqual(['bad.jsonl'])
})

describe('a file that several readers of one stream name', () => {
  const rows = (name: string, values: readonly unknown[], policy: OnBadRecord): Stream<{ x: ReturnType<typeof field.int32> }, 'cold'> =>
    fromIterable({ x: field.int32() }, () => values.map((x) => ({ x })) as never, { onBadRecord: policy, name })
  const held = async (url: string): Promise<string[]> => {
    const all: string[] = []
    for await (const { source, record } of readQuarantine(url)) all.push(`${source}:${record}`)
    return all.sort()
  }

  it('holds the bad records of all of them, whichever way they are read', async () => {
    const url = join(folder, 'bad.jsonl')
    const shared = quarantine(url)
    for (const policies of [[shared, shared], [quarantine(url), quarantine(url)]] as const) {
      const a = rows('a', [1, 'x', 2], policies[0])
      for (const both of [pipe(a, concat(rows('b', ['y', 3], policies[1]))), pipe(a, interleave([rows('b', ['y', 3], policies[1])]))]) {
        const tally = new Tally()
        expect(await run(pipe(both, countRows()), { tally })).toBe(3)
        expect(tally.summary()).toMatchObject({ read: 5, rejected: 2 })
        expect(await held(url)).toEqual(['a:1', 'b:0'])
      }
    }
  })

  it('is left by one that has none, and replaced by the next reading', async () => {
    const url = join(folder, 'bad.jsonl')
    const both = (a: readonly unknown[], b: readonly unknown[]): Stream => pipe(rows('a', a, quarantine(url)), concat(rows('b', b, quarantine(url))))
    const tally = new Tally()
    await run(pipe(both([1, 'x'], [2]), countRows()), { tally })
    expect(await held(url)).toEqual(['a:1'])
    await run(pipe(both([1], [2, 3, 'x']), countRows()), { tally })
    expect(await held(url)).toEqual(['b:2'])
    for await (const batch of both([1], [2])) if (batch.numRows > 0) break
    expect(await held(url)).toEqual(['b:2'])
    await run(pipe(both([1], [2]), countRows()), { tally })
    expect(await readdir(folder)).toEqual([])
  })

  it('appears with what was there where one of them fails', async () => {
    const url = join(folder, 'bad.jsonl')
    const both = pipe(rows('a', [1, 'x'], quarantine(url)), concat(rows('b', ['y'], 'fail')))
    await expect(run(pipe(both, countRows()))).rejects.toMatchObject({ code: 'WRONG_TYPE', position: { record: 0, column: 'x' } })
    expect(await held(url)).toEqual(['a:1'])
  })
})

it('writes many records in few pieces, in order, and tells of a file that cannot be at the first', async () => {
  const url = join(folder, 'bad.jsonl')
  const many = fromIterable({ x: field.int32() }, () => Array.from({ length: 5000 }, () => ({ x: 'x' })) as never, { onBadRecord: quarantine(url) })
  expect(await run(pipe(many, countRows()))).toBe(0)
  const records: number[] = []
  for await (const { record } of readQuarantine(url)) records.push(record)
  expect(records).toEqual(Array.from({ length: 5000 }, (_, i) => i))
  let taken = 0
  const source = function* (): Generator<never> {
    for (; taken < 10; taken++) yield { x: 'x' } as never
  }
  await expect(run(pipe(fromIterable({ x: field.int32() }, source, { onBadRecord: quarantine(join(url, 'within-a-file.jsonl')) }), countRows()))).rejects.toBeDefined()
  expect(taken).toBe(0)
})

it('takes records that come at once', async () => {
  const url = join(folder, 'bad.jsonl')
  const tally = new Tally()
  await drain(withQuarantine(quarantine(url), async function* (open) {
    await Promise.all([1, 2, 3].map((record) => rejectRecord(open, { tally }, bad(record), undefined)))
    yield 1
  }))
  const records: number[] = []
  for await (const { record } of readQuarantine(url)) records.push(record)
  expect(records).toEqual([1, 2, 3])
  expect(await readdir(folder)).toEqual(['bad.jsonl'])
})

it('tells why a reading ended rather than why its file could not appear', async () => {
  const inTheWay = async function* (open: OnBadRecord | undefined): AsyncGenerator<number> {
    await rejectRecord(open, { tally: new Tally() }, bad(1), undefined)
    await mkdir(join(folder, 'bad.jsonl'))
    yield 1
    throw new Error('cut')
  }
  await expect(drain(withQuarantine(quarantine(join(folder, 'bad.jsonl')), inTheWay))).rejects.toThrow('cut')
})

it('fails by default, skips when asked, and calls a function', async () => {
  await expect(drain(read(undefined, new Tally()))).rejects.toMatchObject({ code: 'BAD', position: { record: 1 } })
  const tally = new Tally()
  expect(await drain(read('skip', tally))).toEqual([0, 2])
  expect(tally.summary().rejected).toBe(2)
  const seen: number[] = []
  await drain(read(quarantine((record) => void seen.push(record.record)), new Tally()))
  expect(seen).toEqual([1, 3])
})

it('names the line that is no record', async () => {
  const url = join(folder, 'bad.jsonl')
  const good = '{"source":"a","record":0,"code":"X","reason":"x","raw":null}'
  for (const bad of ['not json', 'null', '[]', '{}', good.replace('"a"', '7'), good.replace('0', '0.5'), good.replace('null', '[1]'), good.replace('"raw"', '"byte":"1","raw"')]) {
    await writeFile(url, `${good}\n${bad}\n`)
    await expect(async () => {
      for await (const record of readQuarantine(url)) void record
    }).rejects.toMatchObject({ code: 'QUARANTINE_LINE', position: { line: 2 } })
  }
})
