import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, fromRows, pipe, run, type Row } from '@millrace/core'
import { readParquet, writeParquet, type Where } from '@millrace/formats'
import { parquetMetadata, readColumnIndex, readOffsetIndex } from 'hyparquet'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'
import { plainRows, plainTable } from './plain-rows.js'

const schema = {
  id: field.int64(), down: field.int32(), name: field.utf8(), city: field.nullable(field.utf8()), code: field.int32(), small: field.uint8(), top: field.uint64(), amount: field.float64(), odd: field.float64(),
  zero: field.float32(), maybe: field.nullable(field.int32()), flag: field.nullable(field.bool()), day: field.date(), at: field.timestamp({ unit: 'us' }), seconds: field.timestamp({ unit: 's' }),
  p9: field.decimal(9, 2), p18: field.nullable(field.decimal(18, 3)), price: field.decimal(30, 2), long: field.utf8(), bytes: field.binary(), highest: field.binary(), tag: field.dictionary(), words: field.nullable(field.list(field.utf8())),
}
const COUNT = 60_000
const GROUP = 45_000
const PAGE = 16_384
const row = (i: number): Row<typeof schema> => ({
  id: BigInt(i), down: -i, name: `name ${String(i).padStart(6, '0')}`, city: i % 11 === 3 ? null : `city ${i % 7}`, code: (i * 7919) % 1000, small: i % 251, top: 2n ** 64n - 1n - BigInt(i % 9), amount: (i % 100) / 4,
  odd: i === 20_000 ? NaN : i / 3, zero: i % 2 === 0 ? 0 : -0, maybe: i >= PAGE && i < 2 * PAGE ? null : i, flag: i < 100 ? null : i > 50_000, day: new Date(86_400_000 * (i % 5000)), at: new Date(1.7e12 + i), seconds: new Date(1000 * (i % 77)),
  p9: `${(i % 500) - 250}.25`, p18: i % 5 === 0 ? null : `${i - 30_000}.125`, price: `${i - 30_000}00000000000000000000.50`, long: `${'é'.repeat(40)}${String(i % 1000).padStart(4, '0')}${'x'.repeat(60)}`,
  bytes: Buffer.from([i & 255, 255, i % 3]), highest: Buffer.alloc(70 + (i % 3), 255), tag: `t${i % 5}`, words: i % 6 === 5 ? null : Array.from({ length: i % 3 }, (_, j) => `w${(i + j) % 9}`),
})
const rows = Array.from({ length: COUNT }, (_, i) => row(i))
const names = Object.keys(schema)

describePeer('Parquet that is written', 'pyarrow', () => {
  let folder: string
  let file: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-written-'))
    file = join(folder, 'rows.parquet')
    await run(pipe(fromRows(schema, rows), writeParquet(file, { rowGroupRows: GROUP })))
    await run(pipe(fromRows(schema, rows), writeParquet(join(folder, 'zstd.parquet'), { rowGroupRows: GROUP, compression: 'zstd' })))
    await run(pipe(fromRows(schema, rows), writeParquet(join(folder, 'plain.parquet'), { rowGroupRows: GROUP, dictionary: false })))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it('has the dictionaries that pay, an index of each column, and the bounds that pyarrow gives the same values', async () => {
    const told = JSON.parse(await runPython(`${plainTable}
import pyarrow.parquet as pq
folder = ${JSON.stringify(folder)}
table = pq.read_table(f'{folder}/rows.parquet')
table.validate(full=True)
for name in ('zstd', 'plain'): assert table.drop_columns(['odd']).equals(pq.read_table(f'{folder}/{name}.parquet').drop_columns(['odd'])), name
pq.write_table(table, f'{folder}/theirs.parquet', row_group_size=${GROUP})
def shown(v): return None if v is None else v.hex() if isinstance(v, bytes) else str(v)
def described(name):
    out = []
    metadata = pq.ParquetFile(f'{folder}/{name}.parquet').metadata
    for group in range(metadata.num_row_groups):
        columns = {}
        for i in range(metadata.num_columns):
            column = metadata.row_group(group).column(i)
            s = column.statistics
            bounds = [shown(s.min), shown(s.max)] if s.has_min_max else None
            columns[column.path_in_schema.split('.')[0]] = dict(bounds=bounds, nulls=s.null_count, indexed=[column.has_column_index, column.has_offset_index], encodings=sorted(column.encodings), codec=column.compression, dictionary=column.has_dictionary_page)
        out.append(columns)
    return out
print(json.dumps({'rows': rows(table.drop_columns(['odd']).slice(44000, 2000)), **{name: described(name) for name in ('rows', 'zstd', 'plain', 'theirs')}, 'some': rows(table.drop_columns(['odd']).slice(44000, 2000))}))
`)) as { readonly some: unknown } & { readonly [file: string]: readonly { readonly [column: string]: { readonly bounds: readonly string[] | null; readonly nulls: number; readonly indexed: readonly boolean[]; readonly encodings: readonly string[]; readonly codec: string; readonly dictionary: boolean } }[] }
    const others = names.filter((name) => name !== 'odd')
    expect(told.some).toEqual(plainRows(rows.slice(44_000, 46_000).map((one) => Object.fromEntries(others.map((name) => [name, one[name as keyof typeof one]])))))
    for (const [group, columns] of told['rows']!.entries()) {
      const theirs = told['theirs']![group]!
      for (const name of names) {
        const { bounds, nulls, indexed, codec } = columns[name]!
        expect([name, codec, indexed[1]]).toEqual([name, 'SNAPPY', true])
        expect([name, nulls]).toEqual([name, theirs[name]!.nulls])
        // A value that is no number has no place in an order, nor do bytes of which all are the highest have something above them.
        const isTold = name !== 'highest' && (name !== 'odd' || group > 0)
        expect([name, indexed[0], bounds !== null]).toEqual([name, isTold, isTold])
        if (name === 'long') continue
        if (isTold) expect([name, bounds]).toEqual([name, theirs[name]!.bounds])
      }
      const [least, most] = columns['long']!.bounds!
      const range = rows.slice(group * GROUP, (group + 1) * GROUP).map(({ long }) => long)
      expect(range.every((long) => least! <= long && long < most!)).toBe(true)
      expect(Math.max(Buffer.byteLength(least!), Buffer.byteLength(most!))).toBeLessThanOrEqual(64)
    }
    const packed = Object.entries(told['rows']![0]!).flatMap(([name, { dictionary }]) => (dictionary ? [name] : []))
    expect(packed).toEqual(names.filter((name) => !['id', 'down', 'name', 'odd', 'maybe', 'at', 'p18', 'price', 'flag'].includes(name)))
    expect(Object.entries(told['plain']![0]!).flatMap(([name, { dictionary }]) => (dictionary ? [name] : []))).toEqual(['tag'])
    expect(told['rows']![0]!['city']!.encodings).toEqual(['PLAIN', 'RLE', 'RLE_DICTIONARY'])
    expect(told['zstd']![0]!['id']!.codec).toBe('ZSTD')
  })

  it('has pages whose places and bounds hyparquet reads, and their order', () => {
    const bytes = readFileSync(file)
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
    const metadata = parquetMetadata(buffer)
    const view = (start: bigint, length: number): { view: DataView; offset: number } => ({ view: new DataView(buffer, Number(start), length), offset: 0 })
    const [group] = metadata.row_groups
    const of = (name: string): (typeof group & object)['columns'][number] => group!.columns.find(({ meta_data: column }) => column!.path_in_schema[0] === name)!
    const indexOf = (name: string): ReturnType<typeof readColumnIndex> => {
      const column = of(name)
      return readColumnIndex(view(column.column_index_offset!, column.column_index_length!), metadata.schema.find((element) => element.name === name)!)
    }
    for (const name of names) {
      const { offset_index_offset: start, offset_index_length: length, meta_data: column } = of(name)
      const { page_locations: pages } = readOffsetIndex(view(start!, length!))
      const firstRows = pages.map(({ first_row_index: first }) => Number(first))
      expect(pages[0]!.offset).toBe(column!.data_page_offset)
      expect(firstRows).toEqual(firstRows.map((_, i) => i * firstRows[1]!))
      if (name !== 'long' && name !== 'highest') expect([name, firstRows]).toEqual([name, [0, PAGE, 2 * PAGE]])
    }
    expect(indexOf('id')).toMatchObject({ boundary_order: 'ASCENDING', min_values: [0n, 16_384n, 32_768n], max_values: [16_383n, 32_767n, 44_999n], null_pages: [false, false, false], null_counts: [0n, 0n, 0n] })
    expect(indexOf('down')).toMatchObject({ boundary_order: 'DESCENDING', min_values: [-16_383, -32_767, -44_999], max_values: [0, -16_384, -32_768] })
    expect(indexOf('maybe')).toMatchObject({ boundary_order: 'ASCENDING', null_pages: [false, true, false], null_counts: [0n, 16_384n, 0n] })
    expect(indexOf('at').boundary_order).toBe('ASCENDING')
    // Zero has two signs: the lower bound is to hold both, and the upper one.
    const zero = indexOf('zero')
    expect(zero.min_values.map((value) => Object.is(value, -0))).toEqual([true, true, true])
    expect(zero.max_values.map((value) => Object.is(value, 0))).toEqual([true, true, true])
    expect(indexOf('code')).toMatchObject({ boundary_order: 'ASCENDING', min_values: [0, 0, 0], max_values: [999, 999, 999] })
  })

  it('is read by pages that can have rows in question, and by no others', async () => {
    const read = async (source: string, where: Where, columns?: readonly string[]): Promise<{ readonly ids: readonly unknown[]; readonly bytes: number }> => {
      const ids: unknown[] = []
      let bytes = 0
      const stream = readParquet(source, { where, columns: columns ?? names })
      for await (const batch of stream.open({ progress: ({ done, finished }) => void (finished === true || (bytes = done)) })) for (let i = 0; i < batch.numRows; i++) ids.push(batch.row(i)['id'])
      return { ids, bytes }
    }
    const cases: readonly (readonly [Where, (one: Row<typeof schema>) => boolean])[] = [
      [{ id: { gte: 20_000, lt: 20_010 } }, ({ id }) => id >= 20_000n && id < 20_010n],
      [{ name: { gt: 'name 058990' } }, ({ name }) => name > 'name 058990'],
      [{ down: { lte: -59_990 } }, ({ down }) => down <= -59_990],
      [{ maybe: { gte: 40_000, lt: 40_100 } }, ({ maybe }) => maybe !== null && maybe >= 40_000 && maybe < 40_100],
      [{ at: { gt: new Date(1.7e12 + 59_000) } }, ({ at }) => at.getTime() > 1.7e12 + 59_000],
      [{ flag: { eq: true } }, ({ flag }) => flag === true],
      [{ long: { gte: `${'é'.repeat(40)}0998` }, city: { eq: 'city 3' } }, ({ long, city }) => long >= `${'é'.repeat(40)}0998` && city === 'city 3'],
      [{ odd: { gt: 19_990 } }, ({ odd }) => odd > 19_990],
      [{ zero: { gte: 0 }, id: { lt: 5 } }, ({ id }) => id < 5n],
    ]
    for (const source of [file, join(folder, 'zstd.parquet'), join(folder, 'plain.parquet')]) {
      for (const [where, due] of cases) expect((await read(source, where)).ids, JSON.stringify(Object.keys(where))).toEqual(rows.filter(due).map(({ id }) => id))
    }
    const columns = ['id', 'name', 'at']
    const all = (await read(file, {}, columns)).bytes
    expect((await read(file, { id: { gte: 20_000, lt: 20_010 } }, columns)).bytes).toBeLessThan(all / 2.5)
    // The bounds of the row group say that there are such rows, those of its pages that there are none.
    expect((await read(file, { maybe: { gt: 16_383, lt: 32_768 } }, ['id', 'name', 'maybe'])).bytes).toBeLessThan(all / 20)
  })

  it('is read by Polars and DuckDB, which skip by the bounds', async () => {
    const due = rows.filter(({ id, city }) => id >= 44_990n && id < 45_020n && city !== null).map(({ id, city, price }) => [Number(id), city, price])
    const { DuckDBInstance } = await import('@duckdb/node-api')
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const answer = await connection.runAndReadAll(`select id::int, city, price::varchar from '${file}' where id >= 44990 and id < 45020 and city is not null order by id`)
    expect(answer.getRows()).toEqual(due)
    expect((await connection.runAndReadAll(`select count(*)::int from '${file}' where odd > 19990 or price = '-1000000000000000000000.5'`)).getRows()).toEqual([[rows.filter(({ odd, id }) => odd > 19_990 || Number.isNaN(odd) || id === 29_990n).length]])
    connection.closeSync()
    const polars = JSON.parse(await runPython(`
import json
try:
    import polars as pl
    frame = pl.scan_parquet(${JSON.stringify(file)}).filter((pl.col('id') >= 44990) & (pl.col('id') < 45020) & pl.col('city').is_not_null()).select('id', 'city', pl.col('price').cast(pl.String)).collect()
    print(json.dumps([list(row) for row in frame.rows()]))
except ImportError: print('null')
`)) as unknown
    if (polars !== null) expect(polars).toEqual(due)
  })
})

it('dictionaries of other row groups do not grow a row group, and what does not come again is stored plain', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-dictionary-'))
  try {
    const schema = { tag: field.dictionary(), list: field.list(field.nullable(field.utf8())) }
    const long = (i: number): string => `${i}`.padStart(2000, '-')
    const records = Array.from({ length: 4000 }, (_, i) => ({ tag: long(i % 2000), list: i % 3 === 0 ? [] : ['a', null, long(i % 7)] }))
    const file = join(folder, 'tags.parquet')
    await run(pipe(fromRows(schema, records, { batchRows: 4000 }), writeParquet(file, { rowGroupRows: 1000, compression: 'none' })))
    expect(await run(pipe(readParquet(file, { schema }), collect()))).toEqual(records)
    const bytes = readFileSync(file)
    const { row_groups: groups } = parquetMetadata(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer)
    const sizes = groups.map(({ columns }) => columns.map(({ meta_data: column }) => Number(column!.total_compressed_size)))
    for (const [tags, list] of sizes) {
      expect(tags).toBeLessThan(1000 * 2004 + 10_000)
      expect(list).toBeLessThan(30_000)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
