import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { collect, field, pipe, run, take, type Batch, type Field, type MillraceError, type Position, type Row } from '@millrace/core'
import { quarantine, readArrow, readParquet, readQuarantine, type ParquetOptions } from '@millrace/formats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { errorOf } from '../support/error-of.js'
import { describePeer, runPython } from '../support/peer.js'
import { plainRows } from './plain-rows.js'

const SEED = 261126
const FILES = 40
const script = fileURLToPath(new URL('nested-columns.py', import.meta.url))

/** What a file holds, by its leaves. */
type Told = { readonly [leaf: string]: readonly unknown[] }

const rowsOf = (told: Told, names: readonly string[], from = 0): unknown[] => told['at']!.slice(from).map((_, i) => Object.fromEntries(names.map((name) => [name, told[name]![from + i]])))

const rowsIn = (batch: Batch): unknown[] => plainRows(Array.from({ length: batch.numRows }, (_, row) => batch.row(row)))

const readers: readonly (readonly ['parquet' | 'arrow', typeof readParquet])[] = [['parquet', readParquet], ['arrow', readArrow]]

describePeer(`structs, maps and lists of them that pyarrow writes, seed ${SEED}`, 'pyarrow', () => {
  let folder: string
  let said: { readonly [file: string]: Told }
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-nested-'))
    said = JSON.parse(await runPython(script, { args: [folder, String(SEED), String(FILES), ...readers.map(([name]) => name)] })) as typeof said
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  const files = (format: string): readonly (readonly [file: string, told: Told])[] => Object.entries(said).flatMap(([name, told]) => (name.endsWith(format) ? [[join(folder, name), told] as const] : []))

  test.each(readers)('are read leaf by leaf: %s', async (format, read) => {
    expect(files(format)).toHaveLength(FILES)
    for (const [file, told] of files(format)) expect(plainRows(await run(pipe(read(file), collect()))), file).toEqual(rowsOf(told, Object.keys(told)))
  })

  test.each(readers)('are read a few leaves alone, and on from every position: %s', async (format, read) => {
    for (const [file, told] of files(format).slice(0, 12)) {
      const columns = Object.keys(told).filter((_, i, { length }) => i % 3 === 0 || i === length - 1)
      const stream = read(file, { columns, batchRows: 13 })
      const positions: { readonly position: Position; readonly rows: number }[] = []
      let rows = 0
      for await (const batch of stream) positions.push({ position: batch.position!, rows: (rows += batch.numRows) })
      expect(rows).toBe(told['at']!.length)
      for (const { position, rows: before } of positions) {
        const rest: unknown[] = []
        for await (const batch of stream.open({ from: position })) rest.push(...rowsIn(batch))
        expect(rest, `${file} from ${before}`).toEqual(rowsOf(told, columns, before))
      }
    }
  })

  test('are read on threads, in parts', async () => {
    const found = files('parquet').slice(0, 6)
    const stream = readParquet(found.map(([file]) => file), { schema: { at: field.int32() }, workers: 2, splitBytes: 1000 })
    expect(await run(pipe(stream, collect()))).toHaveLength(found.reduce((sum, [, told]) => sum + told['at']!.length, 0))
    for (const [file, told] of found) expect(plainRows(await run(pipe(readParquet(file, { workers: 2, splitBytes: 1000 }), collect()))), file).toEqual(rowsOf(told, Object.keys(told)))
  })
})

describePeer('columns of nested fields', 'pyarrow', () => {
  let folder: string
  const at = (name: string, format: string): string => join(folder, `${name}.${format}`)
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-nested-columns-'))
    await runPython(`
import pyarrow as pa, pyarrow.ipc as ipc, pyarrow.parquet as pq
def write(name, table):
    pq.write_table(table, f'${folder}/{name}.parquet', row_group_size=10000, data_page_size=1000, write_batch_size=500, write_page_index=True, use_dictionary=False)
    with ipc.new_file(f'${folder}/{name}.arrow', table.schema) as writer: writer.write_table(table, max_chunksize=10000)
user = pa.struct([('id', pa.int32()), ('address', pa.struct([('city', pa.string())]))])
item = pa.struct([('sku', pa.string()), ('price', pa.decimal128(9, 2))])
rows = [{'n': i, 'user': None if i % 100 == 7 else {'id': i * 2, 'address': None if i % 100 == 8 else {'city': f'city {i:06}'}}, 'items': [{'sku': f's{k}', 'price': k} for k in range(i % 3)], 'tags': {'a': i}} for i in range(40000)]
write('orders', pa.Table.from_pylist(rows, pa.schema([('n', pa.int32()), ('user', user), ('items', pa.list_(item)), ('tags', pa.map_(pa.string(), pa.int64()))])))
write('more', pa.Table.from_pylist([{'n': -1, 'user': {'id': 5}}], pa.schema([('n', pa.int32()), ('user', pa.struct([('id', pa.int32())]))])))
write('dots', pa.Table.from_arrays([pa.array([1, 2]), pa.array([{'b': 3, 'x.y': 'p'}, {'b': 4, 'x.y': 'q'}]), pa.array([5, 6])], names=['a.b', 'a', 'c']))
def must(name, type): return pa.field(name, type, nullable=False)
numbers = pa.list_(must('item', pa.int32()))
write('required', pa.Table.from_pylist([{'r': [{'x': [1], 'y': None}], 's': {'z': 5}, 't': {'l': [None]}}], pa.schema([
    must('r', pa.list_(must('item', pa.struct([must('x', numbers), ('y', numbers)])))), must('s', pa.struct([must('z', pa.int8())])), ('t', pa.struct([must('l', pa.list_(pa.int32()))]))])))
write('twice', pa.Table.from_arrays([pa.array([1]), pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=['x', 'x'])], names=['n', 's']))
`)
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(readers)('are told by the schema, with nulls where something on the way may be null: %s', async (format, read) => {
    const schema = await read(at('orders', format)).findSchema()
    expect(Object.entries(schema).map(([name, { kind, nullable }]) => [name, kind, nullable])).toEqual([
      ['n', 'int32', true], ['user.id', 'int32', true], ['user.address.city', 'utf8', true], ['items.sku', 'list', true], ['items.price', 'list', true], ['tags.key', 'list', true], ['tags.value', 'list', true],
    ])
    expect(schema['items.price']!.params.item).toMatchObject({ kind: 'decimal', nullable: true })
    expect(schema['tags.key']!.params.item).toMatchObject({ kind: 'utf8', nullable: false })
  })

  test.each(readers)('may not be null where nothing on the way may be: %s', async (format, read) => {
    const schema = await read(at('required', format)).findSchema()
    const said = (of: Field): string => `${of.nullable ? 'nullable ' : ''}${of.kind === 'list' ? `list of ${said(of.params.item!)}` : of.kind}`
    expect(Object.entries(schema).map(([name, of]) => `${name}: ${said(of)}`)).toEqual(['r.x: list of list of int32', 'r.y: list of nullable list of int32', 's.z: int8', 't.l: nullable list of nullable int32'])
    expect(await run(pipe(read(at('required', format)), collect()))).toEqual([{ 'r.x': [[1]], 'r.y': [null], 's.z': 5, 't.l': [null] }])
  })

  test('leave out row groups and pages by where', async () => {
    const schema = { n: field.int32(), 'user.id': field.int32(), 'items.sku': field.list(field.utf8()) }
    const seen = async (where: ParquetOptions<typeof schema>['where']): Promise<{ readonly rows: readonly Row<typeof schema>[]; readonly bytes: number }> => {
      let bytes = 0
      const rows: Row<typeof schema>[] = []
      const stream = readParquet(at('orders', 'parquet'), { schema, where, onBadRecord: 'skip' })
      for await (const batch of stream.open({ progress: ({ done, finished }) => void (finished === true || (bytes = done)) })) for (let row = 0; row < batch.numRows; row++) rows.push(batch.row(row))
      return { rows, bytes }
    }
    const all = await seen({})
    expect(all.rows).toHaveLength(40_000 - 400)
    const some = await seen({ 'user.id': { gte: 50_010, lt: 50_020 } })
    expect(some.rows).toEqual([25_005, 25_006, 25_008, 25_009].map((n) => ({ n, 'user.id': 2 * n, 'items.sku': ['s0', 's1'].slice(0, n % 3) })))
    expect(some.bytes).toBeLessThan(all.bytes / 5)
    const { rows } = await seen({ 'user.id': { eq: 80_014 } })
    expect(rows).toEqual([])
  })

  test.each(readers)('come by paths under other names, where keys have dots too: %s', async (format, read) => {
    const file = at('dots', format)
    const schema = { top: field.int64(), nested: field.int64(), text: field.utf8(), c: field.int64() }
    expect(await run(pipe(read(file, { schema, paths: { top: ['a.b'], nested: 'a.b', text: ['a', 'x.y'] } }), collect()))).toEqual([{ top: 1n, nested: 3n, text: 'p', c: 5n }, { top: 2n, nested: 4n, text: 'q', c: 6n }])
    expect(await run(pipe(read(file, { schema: { b: field.int64() }, paths: { b: ['a', 'b'] }, workers: 1 }), collect()))).toEqual([{ b: 3n }, { b: 4n }])
    const due = { _tag: 'Schema', code: `${format.toUpperCase()}_NOT_READ`, position: { source: file, column: 'a.b' }, problem: 'two columns have this name' }
    for (const asked of [{}, { columns: ['c', 'a.b'] }, { schema: { 'a.b': field.int64() } }]) {
      const error = await errorOf(run(pipe(read(file, asked as { columns: string[] }), collect())))
      expect(error).toMatchObject(due)
      expect(error.remedy).toContain('paths: { …: ["a.b"] } or { …: ["a","b"] }')
    }
    expect(await run(pipe(read(file, { columns: ['c', 'a.x.y'] }), collect()))).toEqual([{ c: 5n, 'a.x.y': 'p' }, { c: 6n, 'a.x.y': 'q' }])
    expect(await run(pipe(read(at('twice', format), { columns: ['n'] }), collect()))).toEqual([{ n: 1n }])
    expect((await errorOf(run(pipe(read(at('twice', format)), collect())))).remedy).toBe('Rename one of them where the file is written.')
  })

  test.each(readers)('are named by errors: %s', async (format, read) => {
    const file = at('orders', format)
    const failing = (options: object): Promise<MillraceError> => errorOf(async () => run(pipe(read(file, options), collect())))
    expect(await failing({ columns: ['user'] })).toMatchObject({ code: `${format.toUpperCase()}_KIND`, remedy: 'Ask for them by name: user.id, user.address.city.' })
    expect(await failing({ columns: ['user.idd'] })).toMatchObject({ code: 'NO_SUCH_COLUMN', remedy: expect.stringContaining('Did you mean "user.id"?') as string })
    expect(await failing({ schema: { city: field.utf8() }, paths: { city: 'user.city' } })).toMatchObject({ code: 'NO_SUCH_COLUMN', problem: 'the file has no column at the path ["user","city"]', position: { source: file, column: 'city' } })
    expect(await failing({ schema: { 'items.sku': field.utf8() } })).toMatchObject({ code: `${format.toUpperCase()}_KIND`, position: { column: 'items.sku' } })
    expect(await failing({ schema: { 'user.id': field.int8() } })).toMatchObject({ _tag: 'BadRecord', code: 'NULL', position: { record: 7, column: 'user.id' } })
    expect(await failing({ schema: { id: field.nullable(field.int8()) }, paths: { id: 'user.id' } })).toMatchObject({ code: 'OUT_OF_RANGE', position: { record: 64, column: 'id' } })
    for (const options of [{ paths: { x: 'n' } }, { schema: { n: field.int32() }, paths: { x: 'n' } }, { schema: { n: field.int32() }, paths: { n: [] } }, { schema: { n: field.int32() }, paths: { n: 5 } }]) {
      expect(await failing(options)).toMatchObject({ _tag: 'Usage', code: 'BAD_PATHS' })
    }
  })

  test.each(readers)('are null where a file of several lacks them: %s', async (format, read) => {
    const both = [at('more', format), at('orders', format)]
    const rows = await run(pipe(read(both, { columns: ['user.id', 'user.address.city', 'tags.key'] }), take(2), collect()))
    expect(rows).toEqual([{ 'user.id': 5, 'user.address.city': null, 'tags.key': null }, { 'user.id': 0, 'user.address.city': 'city 000000', 'tags.key': ['a'] }])
    const schema = { id: field.nullable(field.int32()), city: field.nullable(field.utf8()) }
    expect(await run(pipe(read(both, { schema, paths: { id: 'user.id', city: ['user', 'address', 'city'] } }), take(2), collect()))).toEqual([{ id: 5, city: null }, { id: 0, city: 'city 000000' }])
  })

  test.each(readers)('are set aside with their rows: %s', async (format, read) => {
    const path = join(folder, `aside-${format}.jsonl`)
    const schema = { n: field.int32(), 'user.id': field.int32(), 'items.price': field.list(field.decimal(9, 2)) }
    const rows = await run(pipe(read(at('orders', format), { schema, onBadRecord: quarantine(path) }), collect()))
    expect(rows).toHaveLength(40_000 - 400)
    const aside: unknown[] = []
    for await (const { raw } of readQuarantine(path)) aside.push(JSON.parse(Buffer.from(raw!).toString('utf8')))
    expect(aside).toHaveLength(400)
    expect(aside[0]).toEqual({ n: 7, 'user.id': null, 'items.price': [0] })
  })
})
