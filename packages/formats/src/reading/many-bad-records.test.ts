import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, countRows, field, fromRows, pipe, run, Tally, type RejectedRecord, type Stream } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parserOf } from '../csv/choose-parser.js'
import { CsvFile } from '../csv/csv-file.js'
import { resolveCsvOptions } from '../csv/csv-options.js'
import { readArrow, readCsv, readJson, readParquet, readTfRecords, writeArrow, writeParquet, writeTfRecords, type OnBadRecord } from '../index.js'
import { columnarParser as columnarJson } from '../json/columnar/columnar-parser.js'
import { JsonFile } from '../json/json-file.js'
import { resolveJsonOptions } from '../json/json-options.js'
import { referenceParser as referenceJson } from '../json/reference-parser.js'
import type { FileTask } from './read-files.js'
import { TextOutcomes, type TextFile, type TextOutcome } from './text-outcomes.js'

const schema = { a: field.int32() }
const BAD = 20_000

let folder: string
const at = (name: string): string => join(folder, name)
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-many-bad-'))
  writeFileSync(at('x.csv'), `a\n1\n${'x\n'.repeat(BAD)}2\n`)
  writeFileSync(at('x.jsonl'), `{"a":1}\n${'{"a":"x"}\n'.repeat(BAD)}{"a":2}\n`)
  writeFileSync(at('x.json'), `[{"a":1},\n${'{"a":"x"},\n'.repeat(BAD)}{"a":2}]\n`)
  const wide = fromRows({ a: field.int64() }, [1n, ...Array.from({ length: BAD }, () => 2n ** 40n), 2n].map((a) => ({ a })))
  await run(pipe(wide, writeParquet(at('x.parquet'))))
  await run(pipe(wide, writeArrow(at('x.arrow'))))
  await run(pipe(wide, writeTfRecords(at('x'))))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const readers: { readonly [name: string]: (onBadRecord: OnBadRecord) => Stream } = {
  csv: (onBadRecord) => readCsv(at('x.csv'), { schema, onBadRecord }),
  'csv by csv-parse': (onBadRecord) => readCsv(at('x.csv'), { schema, onBadRecord, parser: 'csv-parse' }),
  'csv on a worker': (onBadRecord) => readCsv(at('x.csv'), { schema, onBadRecord, workers: 1 }),
  'json lines': (onBadRecord) => readJson(at('x.jsonl'), { schema, onBadRecord }),
  'json lines by stream-json': (onBadRecord) => readJson(at('x.jsonl'), { schema, onBadRecord, parser: 'stream-json' }),
  'a json array': (onBadRecord) => readJson(at('x.json'), { schema, onBadRecord }),
  parquet: (onBadRecord) => readParquet(at('x.parquet'), { schema, onBadRecord }),
  arrow: (onBadRecord) => readArrow(at('x.arrow'), { schema, onBadRecord }),
  tfrecord: (onBadRecord) => readTfRecords(at('x@1'), { schema, onBadRecord }),
}

describe.each(Object.entries(readers))('many bad records of %s', (_, read) => {
  it('are counted by their code when they are left out', async () => {
    const tally = new Tally()
    expect(await run(pipe(read('skip'), collect()), { tally })).toEqual([{ a: 1 }, { a: 2 }])
    const summary = tally.summary()
    expect(summary).toMatchObject({ read: BAD + 2, delivered: 2, rejected: BAD })
    expect(Object.values(summary.rejectedByCode)).toEqual([BAD])
  })

  it('are handed on one by one, and no more once the reading is aborted', async () => {
    const seen: RejectedRecord[] = []
    const controller = new AbortController()
    const quarantine = (record: RejectedRecord): void => {
      seen.push(record)
      if (seen.length === 10) controller.abort()
    }
    await expect(run(pipe(read({ quarantine }), countRows()), { signal: controller.signal })).rejects.toMatchObject({ _tag: 'Aborted' })
    expect(seen.map(({ record, column }) => [record, column])).toEqual(Array.from({ length: 10 }, (_, i) => [i + 1, 'a']))
  })

  it('end the reading with an error that says who read, where none is left out', async () => {
    const error = await run(pipe(read('fail'), countRows())).then(() => undefined, (thrown: unknown) => thrown as Error)
    expect(error).toMatchObject({ _tag: 'BadRecord', position: { record: 1, column: 'a' } })
    expect(error!.stack).toMatch(/\n\s+at /)
  })
})

const task = { file: { url: 'x', size: undefined }, index: 0, context: { tally: new Tally(), columns: undefined } } as unknown as FileTask
const csvFile = (onBadRecord: OnBadRecord, parser: 'auto' | 'csv-parse'): CsvFile => {
  const options = resolveCsvOptions({ onBadRecord, parser })
  return new CsvFile(task, schema, options, { byte: 0, record: 0, line: 1 }, parserOf(options, 'x'))
}
const jsonFile = (onBadRecord: OnBadRecord, parserOfOptions: typeof referenceJson): JsonFile<typeof schema> => {
  const options = resolveJsonOptions({ schema, onBadRecord, format: 'lines' })
  return new JsonFile(task, schema, options, 0, undefined, parserOfOptions(options))
}
type Pushed = TextFile & { push(chunk: Uint8Array): unknown; finish(): unknown }
const texts: { readonly [name: string]: readonly [make: (onBadRecord: OnBadRecord) => Pushed, text: string, bad?: number] } = {
  csv: [(onBadRecord) => csvFile(onBadRecord, 'auto'), `a\n${'x\n'.repeat(BAD)}1\n`],
  'csv of stray quotes': [(onBadRecord) => csvFile(onBadRecord, 'auto'), `a\n${'x"\n'.repeat(BAD)}1\n`],
  'csv by csv-parse': [(onBadRecord) => csvFile(onBadRecord, 'csv-parse'), `a\n${'x\n'.repeat(BAD)}1\n`],
  'csv of stray quotes by csv-parse': [(onBadRecord) => csvFile(onBadRecord, 'csv-parse'), `a\n${'x"\n'.repeat(2000)}1\n`, 2000],
  json: [(onBadRecord) => jsonFile(onBadRecord, columnarJson), `${'{"a":"x"}\n'.repeat(BAD)}{"a":1}\n`],
  'json by stream-json': [(onBadRecord) => jsonFile(onBadRecord, referenceJson), `${'{"a":"x"}\n'.repeat(BAD)}{"a":1}\n`],
}

describe.each(Object.entries(texts))('a chunk of %s', (_, [make, text, count = BAD]) => {
  const piecesOf = async (onBadRecord: OnBadRecord): Promise<TextOutcome[][]> => {
    const file = make(onBadRecord)
    const pieces: TextOutcome[][] = []
    await file.push(Buffer.from(text))
    do pieces.push([...file.take()])
    while (await file.goOn())
    await file.finish()
    pieces.push([...file.take()])
    return pieces
  }

  it('comes to a few errors at a time, each with its place', async () => {
    const pieces = await piecesOf({ quarantine: () => undefined })
    // Those of the 16 KiB that csv-parse is given at once are more than 1,024.
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(1024 + 16 * 1024)
    const outcomes = pieces.flat()
    const bad = outcomes.flatMap((one) => (one.is === 'bad' ? [one] : []))
    expect(bad.map(({ error }) => error.position.record)).toEqual(Array.from({ length: count }, (_, i) => i))
    const first = text.startsWith('a') ? 2 : 1
    expect(bad.map(({ error }) => error.position.line)).toEqual(Array.from({ length: count }, (_, i) => i + first))
    expect(bad.every(({ error }) => !/\n\s+at /.test(error.stack!))).toBe(true)
    expect(outcomes.filter((one) => one.is === 'rows')).toHaveLength(1)
  })

  it('makes no errors where nobody asks for them', async () => {
    const outcomes = (await piecesOf('skip')).flat()
    expect(outcomes.some((one) => one.is === 'bad')).toBe(false)
    expect(outcomes.reduce((sum, one) => sum + (one.is === 'skipped' ? one.count : 0), 0)).toBe(count)
    expect(outcomes.length).toBeLessThan(count / 100)
  })
})

it('outcomes wait once there are many of them, or long ones', () => {
  const outcomes = new TextOutcomes()
  for (let i = 0; i < 1023; i++) outcomes.skipped(i < 500 ? 'A' : 'B')
  expect(outcomes.isFull).toBe(false)
  outcomes.skipped('A')
  expect(outcomes.isFull).toBe(true)
  expect(outcomes.take()).toEqual([{ is: 'skipped', code: 'A', count: 500 }, { is: 'skipped', code: 'B', count: 523 }, { is: 'skipped', code: 'A', count: 1 }])
  expect(outcomes.isFull).toBe(false)
  outcomes.bad(new Error('x') as never, new Uint8Array(2 ** 20))
  expect(outcomes.isFull).toBe(true)
})
