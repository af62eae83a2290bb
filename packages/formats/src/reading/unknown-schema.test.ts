import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, concat, field, filter, fromRows, pipe, preview, run, select, sort, statistics, withColumn, type Job, type Schema, type Stream } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readArrow, writeArrow } from '../arrow/index.js'
import { readCsv, writeCsv } from '../csv/index.js'
import { readParquet, writeParquet } from '../parquet/index.js'
import { readTfRecords, writeTfRecords } from '../tfrecord/index.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const narrow = { id: field.utf8(), name: field.utf8() }
const wide = { ...narrow, more: field.utf8() }
const first = [{ id: '2', name: 'b' }, { id: '1', name: 'a' }]
const second = [{ id: '3', name: 'c', more: 'x' }]

type Reader = (source: string | readonly string[]) => Stream<Schema, 'cold'>
type Writer = (file: string) => (stream: Stream) => Job<unknown>
const formats: readonly (readonly [string, Reader, Writer])[] = [
  ['csv', (source) => readCsv(source), (file) => writeCsv(file)],
  ['parquet', (source) => readParquet(source), (file) => writeParquet(file)],
  ['arrow', (source) => readArrow(source), (file) => writeArrow(file)],
]

describe.each(formats)('readers of %s without a schema', (name, read, write) => {
  const file = (of: string): string => join(folder, `${of}.${name}`)
  beforeAll(async () => {
    await run(pipe(fromRows(narrow, first), write(file('a'))))
    await run(pipe(fromRows(wide, second), write(file('b'))))
  })

  it('give their columns to sinks and operators', async () => {
    expect(await run(pipe(read(file('a')), collect()))).toEqual(first)
    expect(await run(pipe(read(file('a')), filter((row) => row.name === 'b'), collect()))).toEqual([first[0]])
    expect(await run(pipe(read(file('a')), withColumn('k', field.int8(), () => 1), select('k', 'name'), sort('name'), collect()))).toEqual([{ k: 1, name: 'a' }, { k: 1, name: 'b' }])
    expect((await run(preview(read(file('a'))))).text).toContain('name')
    expect((await run(pipe(read(file('a')), statistics()))).columns).toMatchObject({ id: { max: '2' }, name: { distinct: 2 } })
    expect(await run(pipe(read(file('a')), concat(fromRows(narrow, first) as Stream<Schema, 'cold'>), collect()))).toEqual([...first, ...first])
  })

  it('know the columns of several files', async () => {
    const stream = read([file('a'), file('b')])
    expect(await stream.findSchema()).toEqual({ ...narrow, more: field.nullable(field.utf8()) })
    expect(await run(pipe(stream, select('more', 'id'), collect()))).toEqual([{ more: null, id: '2' }, { more: null, id: '1' }, { more: 'x', id: '3' }])
  })

  it('know the columns of folders', async () => {
    const root = join(folder, `by-id-${name}`)
    await run(pipe(read(file('a')), writeParquet(root, { partitionBy: ['id'] })))
    expect(await readParquet(root).findSchema()).toEqual({ name: field.utf8(), id: field.int32() })
    expect(await run(pipe(readParquet(root), filter((row) => row.id === 2), collect()))).toEqual([{ name: 'b', id: 2 }])
  })

  it('are written with all columns, rows or none', async () => {
    const prefix = join(folder, `examples-${name}`)
    expect(await run(pipe(read(file('a')), writeTfRecords(prefix)))).toMatchObject({ rows: 2 })
    expect(await run(pipe(readTfRecords(`${prefix}@1`, { schema: narrow }), collect()))).toEqual(first)
    const none = join(folder, `none-${name}.csv`)
    await run(pipe(read(file('a')), filter(() => false), writeCsv(none)))
    expect(await readFile(none, 'utf8')).toBe('id,name\n')
  })

  it('refuse a file that has other columns than it had', async () => {
    const changing = file('changing')
    await run(pipe(fromRows(narrow, first), write(changing)))
    const stream = read(changing)
    await stream.findSchema()
    await rm(changing)
    await run(pipe(fromRows(wide, second), write(changing)))
    await expect(run(pipe(stream, collect()))).rejects.toMatchObject({ code: 'COLUMNS_CHANGED', position: { column: 'more' } })
  })
})
