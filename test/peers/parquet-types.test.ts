import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, pipe, run, type Stream } from '@millrace/core'
import { readParquet } from '@millrace/formats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'
import { plainRows } from './plain-rows.js'

/** What pyarrow writes as the column `x`, how, and what is read of it. */
const read: readonly (readonly [string, string, string, readonly unknown[]])[] = [
  ['INT96', "pa.array([1700000000123456789, None, -1], pa.timestamp('ns'))", 'use_deprecated_int96_timestamps=True', [1_700_000_000_123, null, -1]],
  ['timestamps in seconds', "pa.array([1700000000, None, -1], pa.timestamp('s', 'Asia/Kolkata'))", '', [1_700_000_000_000, null, -1000]],
  ['timestamps of version 1.0', "pa.array([1700000000123456, None, -1], pa.timestamp('us'))", "version='1.0'", [1_700_000_000_123, null, -1]],
  ['time32', "pa.array([3, None, 86399999], pa.time32('ms'))", '', [3, null, 86_399_999]],
  ['time64us', "pa.array([3, None, 86399999999], pa.time64('us'))", '', ['3', null, '86399999999']],
  ['time64ns', "pa.array([3, None, 86399999999999], pa.time64('ns'))", "version='2.6'", ['3', null, '86399999999999']],
  ['duration', "pa.array([-1, None, 2**60], pa.duration('us'))", '', ['-1', null, `${2n ** 60n}`]],
  ['UUID', "pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b'0123456789abcdef', None, b'fedcba9876543210'], pa.binary(16)))", '', [Buffer.from('0123456789abcdef').toString('hex'), null, Buffer.from('fedcba9876543210').toString('hex')]],
  ['FLOAT16', 'pa.array([np.float16(1.5), None, np.float16(-65504)], pa.float16())', '', [1.5, null, -65_504]],
  ['FLOAT16 split', 'pa.array([np.float16(1.5), None, np.float16(-65504)], pa.float16())', "use_dictionary=False, column_encoding={'x': 'BYTE_STREAM_SPLIT'}", [1.5, null, -65_504]],
  ['JSON', "pa.array(['[1]', None, '{}'], pa.json_())", '', ['[1]', null, '{}']],
  ['decimal in INT32', "pa.array([D('1.25'), None, D('-9999999.99')], pa.decimal128(9, 2))", 'store_decimal_as_integer=True', ['1.25', null, '-9999999.99']],
  ['decimal in INT64', "pa.array([D('1.25'), None, D('-9999999999999999.99')], pa.decimal128(18, 2))", 'store_decimal_as_integer=True', ['1.25', null, '-9999999999999999.99']],
  ['decimal in INT64, delta', "pa.array([D('1.25'), None, D('-9999999999999999.99')], pa.decimal128(18, 2))", "store_decimal_as_integer=True, use_dictionary=False, column_encoding={'x': 'DELTA_BINARY_PACKED'}", ['1.25', null, '-9999999999999999.99']],
  ['decimal in 3 bytes', "pa.array([D('1.25'), None, D('-9999.99')], pa.decimal128(6, 2))", '', ['1.25', null, '-9999.99']],
  ['decimal in 16 bytes', "pa.array([D('1.25'), None, D('-99999999999999999999999999999999999.125')], pa.decimal128(38, 3))", '', ['1.250', null, '-99999999999999999999999999999999999.125']],
  ['decimal in 16 bytes of 256 bits', "pa.array([D('1.25'), None, D('-9999999.125')], pa.decimal256(38, 3))", '', ['1.250', null, '-9999999.125']],
  ['decimal of 50 digits, few of them used', "pa.array([D('1.25'), None, D('-2.5')], pa.decimal256(50, 3))", '', ['1.250', null, '-2.500']],
  ['lists of lists', 'pa.array([[[1], None, []], None, []], pa.list_(pa.list_(pa.int32())))', "use_compliant_nested_type=False, data_page_version='2.0'", [[[1], null, []], null, []]],
  ['lists of decimals', "pa.array([[D('1.5'), None], None, []], pa.list_(pa.decimal128(5, 1)))", '', [['1.5', null], null, []]],
  ['large lists of large texts', "pa.array([['a', None], None, []], pa.large_list(pa.large_string()))", '', [['a', null], null, []]],
  ['lists of one size', 'pa.array([[1, 2], [3, None], [4, 5]], pa.list_(pa.int64(), 2))', '', [['1', '2'], ['3', null], ['4', '5']]],
  ['nulls', 'pa.nulls(3)', '', [null, null, null]],
]

/** What has no column of its own name: the columns of what it holds. */
const nested: readonly (readonly [string, string, { readonly [leaf: string]: readonly unknown[] }])[] = [
  ['struct', "pa.array([{'a': 1, 'b': 'x'}, None, {'a': 2, 'b': 'y'}])", { 'x.a': ['1', null, '2'], 'x.b': ['x', null, 'y'] }],
  ['struct of one field', "pa.array([{'a': 1}, None, {'a': 2}])", { 'x.a': ['1', null, '2'] }],
  ['map', "pa.array([[('a', 1), ('b', 2)], None, []], pa.map_(pa.string(), pa.int32()))", { 'x.key': [['a', 'b'], null, []], 'x.value': [[1, 2], null, []] }],
  ['list of structs', "pa.array([[{'a': 1}, None, {'a': 3}], None, []])", { 'x.a': [['1', null, '3'], null, []] }],
  ['list of maps', "pa.array([[[('a', 1)]], None, []], pa.list_(pa.map_(pa.string(), pa.int32())))", { 'x.key': [[['a']], null, []], 'x.value': [[[1]], null, []] }],
]

describePeer('types of Parquet that pyarrow and DuckDB write', 'pyarrow', () => {
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-parquet-types-'))
    await runPython(`
import base64
import numpy as np, pyarrow as pa, pyarrow.parquet as pq, pyarrow.parquet.encryption as pe
from decimal import Decimal as D
folder = ${JSON.stringify(folder)}
cases = {${[...read.map(([name, array, options]) => `${JSON.stringify(name)}: (${array}, dict(${options}))`), ...nested.map(([name, array]) => `${JSON.stringify(name)}: (${array}, {})`)].join(', ')}}
def of(x): return pa.table({'before': pa.array([1, 2, 3], pa.int32()), 'x': x, 'after': pa.array(['a', None, 'c'])})
for name, (x, options) in cases.items():
    for page_version in ('1.0', '2.0'):
        pq.write_table(of(x), f'{folder}/{name}.{page_version}', **{'data_page_version': page_version, 'store_schema': False, **options})
pq.write_table(pa.table({'x': pa.array([D('1'), D('9' * 45), D('2')], pa.decimal256(50, 3))}), f'{folder}/digits')
pq.write_table(pa.table([pa.array([1]), pa.array(['a'])], names=['x', 'x']), f'{folder}/one-name')
class Keys(pe.KmsClient):
    def __init__(self, config): pe.KmsClient.__init__(self)
    def wrap_key(self, key, name): return base64.b64encode(key)
    def unwrap_key(self, key, name): return base64.b64decode(key)
factory = pe.CryptoFactory(lambda config: Keys(config))
for name, options in (('footer', dict(footer_key='f', column_keys={'c': ['x']})), ('column', dict(footer_key='f', column_keys={'c': ['x']}, plaintext_footer=True)), ('uniform', dict(footer_key='f', uniform_encryption=True))):
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), pe.EncryptionConfiguration(**options))
    table = of(pa.array([1.5, None, 2.5]))
    with pq.ParquetWriter(f'{folder}/encrypted-{name}', table.schema, encryption_properties=properties) as writer: writer.write_table(table)
`)
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it.each(read)('%s is read', async (name, _, __, values) => {
    for (const version of ['1.0', '2.0']) {
      const rows = plainRows(await run(pipe(readParquet(join(folder, `${name}.${version}`)), collect())))
      expect(rows).toEqual(values.map((x, i) => ({ before: i + 1, x, after: ['a', null, 'c'][i] })))
    }
  })

  it('a decimal of more digits than a kind of column holds makes its row bad', async () => {
    const file = join(folder, 'digits')
    await expect(run(pipe(readParquet(file), collect()))).rejects.toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { source: file, record: 1, column: 'x' } })
  })

  it('times of day are compared as the integers that they are', async () => {
    for (const [name, least] of [['time32', 4], ['time64us', 4n], ['time64ns', 4n]] as const) {
      const rows = await run(pipe(readParquet(join(folder, `${name}.2.0`), { where: { x: { gte: least } } }), collect()))
      expect(rows.map(({ before }) => before)).toEqual([3])
    }
  })

  it.each(nested)('%s is read by what it holds, and refused where it is asked for itself', async (name, _, leaves) => {
    for (const version of ['1.0', '2.0']) {
      const file = join(folder, `${name}.${version}`)
      expect(plainRows(await run(pipe(readParquet(file), collect())))).toEqual([0, 1, 2].map((row) => ({
        before: row + 1, ...Object.fromEntries(Object.entries(leaves).map(([leaf, values]) => [leaf, values[row]])), after: ['a', null, 'c'][row],
      })))
      const due = { _tag: 'Schema', code: 'PARQUET_KIND', position: { source: file, column: 'x' }, remedy: `Ask for them by name: ${Object.keys(leaves).join(', ')}.` }
      for (const options of [{ columns: ['x'] }, { schema: { x: field.nullable(field.utf8()) } }]) await expect(run(pipe(readParquet(file, options as { columns: string[] }), collect()))).rejects.toMatchObject(due)
    }
  })

  it('two columns of one name are not taken for one', async () => {
    const file = join(folder, 'one-name')
    for (const stream of [readParquet(file), readParquet(file, { schema: { x: field.int64() } })]) {
      await expect(run(pipe(stream as Stream, collect()))).rejects.toMatchObject({ _tag: 'Schema', code: 'PARQUET_NOT_READ', position: { source: file, column: 'x' } })
    }
  })

  it('an encrypted file is refused, and of one with encrypted columns these are', async () => {
    for (const name of ['footer', 'uniform']) {
      const file = join(folder, `encrypted-${name}`)
      await expect(run(pipe(readParquet(file), collect()))).rejects.toMatchObject({ _tag: 'Corrupt', code: 'PARQUET_ENCRYPTED', problem: 'the file is encrypted, which is not supported', position: { source: file } })
    }
    const file = join(folder, 'encrypted-column')
    await expect(run(pipe(readParquet(file), collect()))).rejects.toMatchObject({ code: 'PARQUET_ENCRYPTED', problem: 'the column is encrypted, which is not supported', remedy: expect.stringContaining('without encryption') as string, position: { source: file, column: 'x' } })
  })

  it('what DuckDB writes is read: enumerations, UUIDs, times with zones, huge integers, with its Bloom filters', async () => {
    const { DuckDBInstance } = await import('@duckdb/node-api')
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const file = join(folder, 'duck.parquet')
    await connection.run("create type mood as enum ('sad', 'happy')")
    await connection.run(`copy (select i::int as i, (case i % 2 when 0 then 'sad' else 'happy' end)::mood as mood, 'f0000000-0000-4000-8000-00000000000' || (i % 10) as text, ('f0000000-0000-4000-8000-00000000000' || (i % 10))::uuid as id,
      timestamptz '2026-11-26 10:00:00+02' + to_seconds(i) as at, time '00:00:01' as clock, interval '1 day' as span, (i % 3)::tinyint as tiny, [i % 4, null] as list, {'a': i} as struct, map {'k' || (i % 3): {'v': [i, null]}} as map, case i % 4 when 0 then null else [{'a': i % 3, 'b': null}, null] end as structs, (i % 5 = 0) as flag from range(5000) t(i)) to '${file}' (format parquet)`)
    connection.closeSync()
    const schema = { i: field.int32(), mood: field.nullable(field.dictionary()), text: field.nullable(field.utf8()), id: field.nullable(field.binary()), at: field.nullable(field.timestamp()), clock: field.nullable(field.int64()), tiny: field.nullable(field.int8()), list: field.nullable(field.list(field.nullable(field.int64()))), flag: field.nullable(field.bool()) }
    const rows = await run(pipe(readParquet(file, { schema, where: { text: { eq: 'f0000000-0000-4000-8000-000000000007' } } }), collect()))
    expect(plainRows(rows)).toEqual(Array.from({ length: 500 }, (_, k) => 10 * k + 7).map((i) => ({
      i, mood: i % 2 === 0 ? 'sad' : 'happy', text: `f0000000-0000-4000-8000-000000000007`, id: 'f0000000000040008000000000000007', at: Date.UTC(2026, 10, 26, 8) + 1000 * i, clock: '1000000', tiny: i % 3, list: [`${i % 4}`, null], flag: i % 5 === 0,
    })))
    await expect(run(pipe(readParquet(file, { columns: ['span'] }), collect()))).rejects.toMatchObject({ code: 'PARQUET_KIND', position: { column: 'span' } })
    expect(await run(pipe(readParquet(file, { schema: { 'struct.a': field.nullable(field.int64()) }, where: { 'struct.a': { lt: 2n } } }), collect()))).toEqual([{ 'struct.a': 0n }, { 'struct.a': 1n }])
    const columns = ['i', 'map.key', 'map.value.v', 'structs.a', 'structs.b']
    expect(plainRows(await run(pipe(readParquet(file, { columns, where: { i: { gte: 4994 } } }), collect())))).toEqual(Array.from({ length: 6 }, (_, k) => 4994 + k).map((i) => {
      const [a, b] = i % 4 === 0 ? [null, null] : [[`${i % 3}`, null], [null, null]]
      return { i, 'map.key': [`k${i % 3}`], 'map.value.v': [[`${i}`, null]], 'structs.a': a, 'structs.b': b }
    }))
  })
})
