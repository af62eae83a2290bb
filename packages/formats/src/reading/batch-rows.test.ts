import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, fromEvents, fromIterable, fromRows, pipe, rebatch, replayBuffer, run, shuffle, sort, type Stream } from '@millrace/core'
import { EventEmitter } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorOf } from '../../../../test/support/error-of.js'
import { readArrow, writeArrow } from '../arrow/index.js'
import { readCsv } from '../csv/index.js'
import { readJson } from '../json/index.js'
import { readParquet, writeParquet } from '../parquet/index.js'
import { indexTfRecords } from '../record-index/index.js'
import { readTfRecords, writeTfRecords } from '../tfrecord/index.js'

const schema = { n: field.int64(), t: field.utf8() }
const rows = [{ n: 1n, t: 'a' }, { n: 2n, t: 'b' }]

let folder: string
const path = (name: string): string => join(folder, name)
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-batch-rows-'))
  writeFileSync(path('x.csv'), 'n,t\n1,a\n2,b\n')
  writeFileSync(path('x.jsonl'), '{"n":1,"t":"a"}\n{"n":2,"t":"b"}\n')
  await run(pipe(fromRows(schema, rows), writeParquet(path('x.parquet'))))
  await run(pipe(fromRows(schema, rows), writeArrow(path('x.arrow'))))
  await run(pipe(fromRows(schema, rows), writeTfRecords(path('x.tfrecord'), { shards: 1 })))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Reading = (batchRows: number) => Stream | Promise<Stream>
const events = (batchRows: number): Stream => {
  const emitter = new EventEmitter()
  const stream = fromEvents(schema, emitter, { event: 'row', end: 'end', batchRows })
  setTimeout(() => {
    for (const row of rows) emitter.emit('row', row)
    emitter.emit('end')
  }, 20)
  return stream as Stream
}
const readings: { readonly [name: string]: Reading } = {
  readCsv: (batchRows) => readCsv(path('x.csv'), { schema, batchRows }) as Stream,
  'readCsv by csv-parse': (batchRows) => readCsv(path('x.csv'), { schema, batchRows, parser: 'csv-parse' }) as Stream,
  readJson: (batchRows) => readJson(path('x.jsonl'), { schema, batchRows }) as Stream,
  'readJson by stream-json': (batchRows) => readJson(path('x.jsonl'), { schema, batchRows, parser: 'stream-json' }) as Stream,
  readParquet: (batchRows) => readParquet(path('x.parquet'), { schema, batchRows }) as Stream,
  readArrow: (batchRows) => readArrow(path('x.arrow'), { schema, batchRows }) as Stream,
  readTfRecords: (batchRows) => readTfRecords(path('x.tfrecord-00000-of-00001'), { schema, batchRows }) as Stream,
  shuffled: async (batchRows) => pipe((await run(indexTfRecords(path('x.tfrecord-00000-of-00001'), { schema }))).shuffled({ seed: 1, batchRows }), sort('n')) as Stream,
  fromRows: (batchRows) => fromRows(schema, rows, { batchRows }) as Stream,
  fromIterable: (batchRows) => fromIterable(schema, () => rows, { batchRows }) as Stream,
  fromEvents: events,
  sort: (batchRows) => pipe(fromRows(schema, rows), sort('n', { batchRows })) as Stream,
  shuffle: (batchRows) => pipe(fromRows(schema, rows), shuffle({ seed: 1, windowRows: 2 ** 40, batchRows }), sort('n')) as Stream,
  rebatch: (batchRows) => pipe(fromRows(schema, rows), rebatch(batchRows)) as Stream,
}

describe.each(Object.keys(readings))('batchRows of %s', (name) => {
  it.each([2 ** 30, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER])('may be %i, more than there is memory for', async (batchRows) => {
    expect(await run(pipe(await readings[name]!(batchRows), collect()))).toEqual(rows)
  })

  it.each([0, -1, 1.5, NaN, Infinity])('is no %d', async (batchRows) => {
    expect(await errorOf(Promise.resolve().then(() => readings[name]!(batchRows)))).toMatchObject({ _tag: 'Usage', code: 'BAD_COUNT' })
  })
})

it('samples of replay buffers, which have so many rows, are refused beyond 2²⁴', async () => {
  const buffer = replayBuffer(schema, { capacity: 10 })
  buffer.add(rows)
  for (const batchRows of [2 ** 24 + 1, 2 ** 32]) {
    expect(await errorOf(Promise.resolve().then(() => run(pipe(buffer.samples({ batches: 1, batchRows }) as Stream, collect()))))).toMatchObject({ _tag: 'Usage', code: 'BAD_COUNT' })
  }
})
