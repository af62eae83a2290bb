import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, fromRows, pipe, run, type Position, type Row, type Schema, type Stream } from '@millrace/core'
import { readParquet, writeParquet } from '@millrace/formats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'
import { plainRows, plainTable } from './plain-rows.js'

const rowsOf = async <S extends Schema>(stream: Stream<S>): Promise<Row<S>[]> => {
  const rows: Row<S>[] = []
  for await (const batch of stream) for (let i = 0; i < batch.numRows; i++) rows.push(batch.row(i))
  return rows
}

const kinds = {
  b: field.nullable(field.bool()), i8: field.int8(), u16: field.uint16(), u32: field.nullable(field.uint32()), i64: field.nullable(field.int64()), u64: field.uint64(), f32: field.float32(),
  f64: field.nullable(field.float64()), s: field.nullable(field.utf8()), bin: field.nullable(field.binary()), day: field.nullable(field.date()),
  at: field.nullable(field.timestamp({ unit: 'us' })), ns: field.timestamp({ unit: 'ns' }), p9: field.nullable(field.decimal(9, 2)), p18: field.decimal(18, 3), price: field.nullable(field.decimal(30, 2)),
  tag: field.nullable(field.dictionary()), l: field.nullable(field.list(field.nullable(field.int16()))), ll: field.list(field.list(field.utf8())), ld: field.list(field.dictionary()), none: field.nullable(field.int32()),
}
const some = <A>(i: number, value: A): A | null => (i % 5 === 2 ? null : value)
const row = (i: number): Row<typeof kinds> => ({
  b: some(i, i % 3 === 0), i8: (i % 200) - 100, u16: 65535 - i, u32: some(i, 4294967295 - i), i64: some(i, BigInt(i - 6) * 2n ** 50n), u64: 2n ** 64n - 1n - BigInt(i), f32: i / 2, f64: some(i, i / 3),
  s: some(i, 'ü'.repeat(i % 9)), bin: some(i, Uint8Array.of(i, 255)), day: some(i, new Date(86_400_000 * (i - 3))), at: some(i, new Date(1000 * i - 5)), ns: new Date(1e12 + i),
  p9: some(i, `${i - 6}.25`), p18: `-${i}.125`, price: some(i, `${i + 1}00000000000000000000.25`), tag: some(i, `t${i % 7}-${Math.floor(i / 40)}`),
  l: some(i, Array.from({ length: i % 4 }, (_, j) => (j === 1 ? null : j))), ll: Array.from({ length: i % 3 }, (_, j) => Array.from({ length: j }, () => `${i}`)), ld: [`x${i % 3}`, 'y'].slice(i % 3), none: null,
})
const rows = Array.from({ length: 300 }, (_, i) => row(i))

describePeer('Parquet, as pyarrow reads and writes it', 'pyarrow', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-parquet-'))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it('pyarrow, DuckDB and we read what we wrote, packed in every way, with bounds and nulls of each row group', async () => {
    const compressions = ['none', 'snappy', 'gzip', 'brotli', 'lz4', 'zstd'] as const
    for (const compression of compressions) await run(pipe(fromRows(kinds, rows), writeParquet(join(folder, `${compression}.parquet`), { compression, rowGroupRows: 128 })))
    await run(pipe(fromRows(kinds, []), writeParquet(join(folder, 'empty.parquet'))))
    const told = JSON.parse(await runPython(`${plainTable}
import pyarrow.parquet as pq
folder = ${JSON.stringify(folder)}
out = {}
for name in ${JSON.stringify([...compressions, 'empty'])}:
    table = pq.read_table(f'{folder}/{name}.parquet')
    table.validate(full=True)
    out[name] = rows(table)
file = pq.ParquetFile(f'{folder}/snappy.parquet')
group = file.metadata.row_group(1)
out['codec'] = group.column(0).compression
out['types'] = [str(field.type) for field in file.schema_arrow]
out['bounds'] = {group.column(i).path_in_schema: plain([s.min, s.max, s.null_count]) for i in range(group.num_columns) if (s := group.column(i).statistics) is not None and s.has_min_max and group.column(i).path_in_schema in ('i8', 'u32', 'f64', 's', 'day')}
print(json.dumps(out))
`)) as { readonly [name: string]: unknown }
    for (const compression of compressions) expect(told[compression], compression).toEqual(plainRows(rows))
    expect(told['empty']).toEqual([])
    expect(told['codec']).toBe('SNAPPY')
    expect(told['types']).toMatchObject({ 11: 'timestamp[us, tz=UTC]', 12: 'timestamp[ns, tz=UTC]', 13: 'decimal128(9, 2)', 15: 'decimal128(30, 2)', 17: 'list<element: int16>' })
    const group = rows.slice(128, 256)
    const bounds = (name: 'u32' | 'f64' | 'day'): unknown[] => {
      const values = group.flatMap((one) => (one[name] === null ? [] : [Number(one[name])]))
      return [Math.min(...values), Math.max(...values), group.length - values.length]
    }
    expect(told['bounds']).toEqual({ i8: [-100, 99, 0], u32: bounds('u32'), f64: bounds('f64'), day: bounds('day'), s: ['', 'üüüüüüüü', bounds('u32')[2]] })
    for (const compression of compressions) expect(await rowsOf(readParquet(join(folder, `${compression}.parquet`), { schema: kinds, batchRows: 33 })), compression).toEqual(rows)
    const { DuckDBInstance } = await import('@duckdb/node-api')
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const answer = await connection.runAndReadAll(`select count(*)::int, sum(i8)::int, sum(len(l))::int, count(distinct tag)::int, max(price)::varchar, max(s) from '${join(folder, 'snappy.parquet')}' where i8 > 50`)
    const due = rows.filter(({ i8 }) => i8 > 50)
    expect(answer.getRows()[0]).toEqual([
      due.length, due.reduce((sum, { i8 }) => sum + i8, 0), due.reduce((sum, { l }) => sum + (l?.length ?? 0), 0), new Set(due.flatMap(({ tag }) => tag ?? [])).size, '20000000000000000000000.25', 'üüüüüüüü',
    ])
    connection.closeSync()
  })

  it('we read the corners of the format that pyarrow writes: every encoding, versions of pages, levels, many row groups, none', async () => {
    const told = JSON.parse(await runPython(`${plainTable}
import pyarrow.parquet as pq
folder = ${JSON.stringify(folder)}
rng = np.random.default_rng(7)
n = 3000
def nulls(values): return [None if i % 7 == 3 else v for i, v in enumerate(values)]
def ints(dtype, low, high): return [int(v) for v in rng.integers(low, high, n, dtype=dtype, endpoint=True)]
i32 = pa.array(nulls(ints(np.int32, -2**31, 2**31 - 1)), pa.int32())
i64 = pa.array(nulls(ints(np.int64, -2**63, 2**63 - 1)), pa.int64())
small = pa.array([i * 3 - i % 5 for i in range(n)], pa.int64())
f32 = pa.array(nulls([float(v) for v in rng.random(n, dtype=np.float32)]), pa.float32())
f64 = pa.array(rng.random(n))
text = pa.array(nulls(['prefix %d' % (i // 3) + 'ü' * (i % 4) for i in range(n)]))
fixed = pa.array(nulls([i.to_bytes(5, 'big') for i in range(n)]), pa.binary(5))
flag = pa.array(nulls([i % 11 < 4 for i in range(n)]))
nested = pa.array(nulls([[None if j % 3 == 1 else [None if k == 2 else i * k for k in range(j)] for j in range(i % 5)] for i in range(n)]), pa.list_(pa.list_(pa.int32())))
words = pa.array(nulls([[None if j == 1 else 'w%d' % (i % 4) for j in range(i % 3)] for i in range(n)]), pa.list_(pa.string()))
all_null = pa.nulls(n, pa.int32())
out = {}
def write(name, columns, **options):
    table = pa.table(columns)
    pq.write_table(table, f'{folder}/corner-{name}.parquet', **options)
    out[name] = rows(table)
for version in ('1.0', '2.0'):
    v = dict(data_page_version=version, data_page_size=2000, write_batch_size=100)
    write('delta-' + version, {'i32': i32, 'i64': i64, 'small': small}, use_dictionary=False, column_encoding='DELTA_BINARY_PACKED', **v)
    write('delta-length-' + version, {'text': text}, use_dictionary=False, column_encoding='DELTA_LENGTH_BYTE_ARRAY', **v)
    write('delta-bytes-' + version, {'text': text, 'fixed': fixed}, use_dictionary=False, column_encoding='DELTA_BYTE_ARRAY', **v)
    write('split-' + version, {'f32': f32, 'f64': f64, 'i32': i32, 'i64': i64, 'fixed': fixed}, use_dictionary=False, column_encoding='BYTE_STREAM_SPLIT', **v)
    write('plain-' + version, {'i32': i32, 'i64': i64, 'f32': f32, 'text': text, 'fixed': fixed, 'flag': flag, 'all_null': all_null}, use_dictionary=False, compression='none', **v)
    write('fallback-' + version, {'text': text, 'small': small, 'i64': i64}, dictionary_pagesize_limit=4000, compression='zstd', **v)
    write('nested-' + version, {'nested': nested, 'words': words}, compression='gzip', **v)
    write('rle-' + version, {'flag': flag}, use_dictionary=False, column_encoding='RLE' if version == '2.0' else None, **v)
write('groups', {'small': small, 'text': text}, row_group_size=7)
write('empty', {'small': small.slice(0, 0), 'nested': nested.slice(0, 0)})
print(json.dumps(out))
`)) as { readonly [name: string]: readonly unknown[] }
    const files = readdirSync(folder).filter((file) => file.startsWith('corner-'))
    expect(files).toHaveLength(Object.keys(told).length)
    for (const [name, due] of Object.entries(told)) expect(plainRows(await rowsOf(readParquet(join(folder, `corner-${name}.parquet`), { batchRows: 1000 }))), name).toEqual(due)
  })

  it('we read columns whose pages end in different rows, lists that go on in the next page among them, a part at a time and from any of its rows', async () => {
    // Random bytes, several times as many as are decoded at once.
    const due = JSON.parse(await runPython(`${plainTable}
import pyarrow.parquet as pq
folder = ${JSON.stringify(folder)}
rng = np.random.default_rng(11)
n = 3000
lists = pa.array([None if i % 97 == 5 else [int(v) for v in rng.integers(0, 2**31, int(rng.integers(0, 900)))] for i in range(n)], pa.list_(pa.int32()))
text = pa.array([None if i % 13 == 4 else rng.integers(97, 123, int(rng.integers(0, 1500)), dtype=np.uint8).tobytes().decode() for i in range(n)])
few = pa.array([['a', 'b', None, 'c'][i * i % 4] for i in range(n)])
table = pa.table({'id': pa.array(range(n), pa.int64()), 'lists': lists, 'text': text, 'few': few})
for version in ('1.0', '2.0'):
    pq.write_table(table, f'{folder}/pages-{version}.parquet', data_page_version=version, data_page_size=150_000, write_batch_size=64, use_dictionary=['few'], write_page_index=version == '2.0')
print(json.dumps([[i, None if l is None else sum(l), None if l is None else len(l), t, f] for i, l, t, f in zip(range(n), lists.to_pylist(), text.to_pylist(), few.to_pylist())]))
`)) as readonly unknown[]
    const schema = { id: field.int64(), lists: field.nullable(field.list(field.int32())), text: field.nullable(field.utf8()), few: field.nullable(field.dictionary()) }
    const summary = ({ id, lists, text, few }: Row<typeof schema>): unknown[] => [Number(id), lists === null ? null : [...lists].reduce((sum, value) => sum + value, 0), lists === null ? null : lists.length, text, few]
    for (const version of ['1.0', '2.0']) {
      const stream = readParquet(join(folder, `pages-${version}.parquet`), { schema })
      const seen: unknown[] = []
      const places: { readonly rows: number; readonly position: Position | undefined }[] = []
      for await (const batch of stream) {
        for (let i = 0; i < batch.numRows; i++) seen.push(summary(batch.row(i)))
        places.push({ rows: seen.length, position: batch.position })
      }
      expect(seen, version).toEqual(due)
      expect(places.length).toBeGreaterThan(2)
      const { rows: from, position } = places[places.length >> 1]!
      const rest: unknown[] = []
      for await (const batch of stream.open({ from: position })) for (let i = 0; i < batch.numRows; i++) rest.push(summary(batch.row(i)))
      expect(rest, `${version} from ${from}`).toEqual(due.slice(from))
    }
    const picked = await rowsOf(readParquet(join(folder, 'pages-2.0.parquet'), { schema, where: { id: { gte: 700n, lt: 2100n } } }))
    expect(picked.map(summary)).toEqual(due.slice(700, 2100))
  })
})
