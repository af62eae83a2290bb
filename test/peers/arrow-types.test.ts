import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, pipe, run } from '@millrace/core'
import { readArrow } from '@millrace/formats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { errorOf } from '../support/error-of.js'
import { describePeer, runPython } from '../support/peer.js'
import { plainRows } from './plain-rows.js'

const day = (text: string): number => Date.parse(text)
/** What pyarrow writes as the column `x`, and what is read of it. */
const read: readonly (readonly [string, string, readonly unknown[]])[] = [
  ['time32s', "pa.array([3, None, 86399], pa.time32('s'))", [3, null, 86_399]],
  ['time32ms', "pa.array([3, None, 86399999], pa.time32('ms'))", [3, null, 86_399_999]],
  ['time64us', "pa.array([3, None, 5], pa.time64('us'))", ['3', null, '5']],
  ['time64ns', "pa.array([3, None, 86399999999999], pa.time64('ns'))", ['3', null, '86399999999999']],
  ['duration', "pa.array([-1, None, 2**60], pa.duration('us'))", ['-1', null, `${2n ** 60n}`]],
  ['date64', "pa.array([86400000, None, -86400000], pa.date64())", [day('1970-01-02'), null, day('1969-12-31')]],
  ['naive', "pa.array([1, None, -1], pa.timestamp('ms'))", [1, null, -1]],
  ['zoned', "pa.array([1700000000, None, -1], pa.timestamp('s', 'Asia/Kolkata'))", [1_700_000_000_000, null, -1000]],
  ['offset', "pa.array([1700000000123456789, None, -1], pa.timestamp('ns', '+05:30'))", [1_700_000_000_123, null, -1]],
  ['decimal32', "pa.array([D('1.25'), None, D('-7.50')], pa.decimal32(9, 2))", ['1.25', null, '-7.50']],
  ['decimal64', "pa.array([D('1.25'), None, D('-7.50')], pa.decimal64(18, 2))", ['1.25', null, '-7.50']],
  ['decimal128', "pa.array([D('1.25'), None, D('-99999999999999999999999999999999999.125')], pa.decimal128(38, 3))", ['1.250', null, '-99999999999999999999999999999999999.125']],
  ['decimal256', "pa.array([D('1.25'), None, D('-99999999999999999999999999999999999.125')], pa.decimal256(38, 3))", ['1.250', null, '-99999999999999999999999999999999999.125']],
  ['half', 'pa.array([np.float16(1.5), None, np.float16(-2)], pa.float16())', [1.5, null, -2]],
  ['fixed binary', "pa.array([b'abc', None, b'\\x00\\x01\\x02'], pa.binary(3))", ['616263', null, '000102']],
  ['large binary', "pa.array([b'abc', None, b''], pa.large_binary())", ['616263', null, '']],
  ['large text', "pa.array(['ü', None, ''], pa.large_string())", ['ü', null, '']],
  ['text view', "pa.array(['ü', None, 'longer than twelve bytes'], pa.string_view())", ['ü', null, 'longer than twelve bytes']],
  ['binary view', "pa.array([b'a', None, b'longer than twelve bytes'], pa.binary_view())", ['61', null, Buffer.from('longer than twelve bytes').toString('hex')]],
  ['uuid', "pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b'0123456789abcdef', None, b'fedcba9876543210'], pa.binary(16)))", [Buffer.from('0123456789abcdef').toString('hex'), null, Buffer.from('fedcba9876543210').toString('hex')]],
  ['dictionary of large texts', "pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int64()), pa.array(['a', 'b'], pa.large_string()))", ['b', null, 'a']],
  ['dictionary of decimals', "pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.uint16()), pa.array([D('1.5'), D('2.5')], pa.decimal128(5, 1)))", ['2.5', null, '1.5']],
  ['dictionary of timestamps', "pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), pa.array([1000, 2000], pa.timestamp('ms', 'UTC')))", [2000, null, 1000]],
  ['fixed list', 'pa.array([[1, 2], None, [3, None]], pa.list_(pa.int64(), 2))', [['1', '2'], null, ['3', null]]],
  ['large list', "pa.array([['a'], None, []], pa.large_list(pa.large_string()))", [['a'], null, []]],
  ['list of dictionaries', "pa.ListArray.from_arrays(pa.array([0, 1, 3, 3], pa.int32()), pa.array(['x', 'y', 'x']).dictionary_encode())", [['x'], ['y', 'x'], []]],
  ['list view', "pa.array([['a'], None, ['b', 'c']], pa.list_view(pa.string()))", [['a'], null, ['b', 'c']]],
  ['list view that goes back, with items of several', "pa.ListViewArray.from_arrays([2, 1, 0], [1, 2, 3], pa.array(['a', None, 'c']), mask=pa.array([False, True, False]))", [['c'], null, ['a', null, 'c']]],
  ['large list view of lists', "pa.LargeListViewArray.from_arrays(pa.array([1, 0, 0], pa.int64()), pa.array([1, 2, 0], pa.int64()), pa.array([[1], [2, 3]]))", [[['2', '3']], [['1'], ['2', '3']], []]],
  ['list view of dictionaries', "pa.ListViewArray.from_arrays([1, 0, 0], [2, 1, 0], pa.array(['x', 'y', 'x']).dictionary_encode())", [['y', 'x'], ['x'], []]],
  ['runs', 'pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([7, None]))', ['7', '7', null]],
  ['runs of texts', "pa.RunEndEncodedArray.from_arrays(pa.array([1, 3], pa.int16()), pa.array(['a', 'b']))", ['a', 'b', 'b']],
  ['runs of booleans', 'pa.RunEndEncodedArray.from_arrays(pa.array([1, 3], pa.int16()), pa.array([None, True]))', [null, true, true]],
  ['runs of dictionaries', "pa.RunEndEncodedArray.from_arrays(pa.array([1, 3], pa.int16()), pa.array(['b', 'a']).dictionary_encode())", ['b', 'a', 'a']],
  ['runs of decimals', "pa.RunEndEncodedArray.from_arrays(pa.array([1, 3], pa.int16()), pa.array([D('1.5'), None]))", ['1.5', null, null]],
  ['list of runs', "pa.ListArray.from_arrays(pa.array([0, 1, 3, 3], pa.int32()), pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([7, 8])))", [['7'], ['7', '8'], []]],
  ['list of durations', "pa.array([[1, 2], None, []], pa.list_(pa.duration('s')))", [['1', '2'], null, []]],
]

/** What has no column of its own name: the columns of what it holds. */
const nested: readonly (readonly [string, string, { readonly [leaf: string]: readonly unknown[] }])[] = [
  ['struct', "pa.array([{'a': 1, 'b': 'x'}, None, {'a': 2, 'b': 'y'}])", { 'x.a': ['1', null, '2'], 'x.b': ['x', null, 'y'] }],
  ['struct with values where it is null', "pa.StructArray.from_arrays([pa.array([1, 2, 3]), pa.array(['x', 'y', 'z']).dictionary_encode(), pa.array([[1], [2], [3]])], names=['a', 'b', 'c'], mask=pa.array([False, True, False]))", { 'x.a': ['1', null, '3'], 'x.b': ['x', null, 'z'], 'x.c': [['1'], null, ['3']] }],
  ['map', "pa.array([[('a', 1), ('b', 2)], None, []], pa.map_(pa.string(), pa.int32()))", { 'x.key': [['a', 'b'], null, []], 'x.value': [[1, 2], null, []] }],
  ['list of structs', "pa.array([[{'a': 1}, None, {'a': 3}], None, []])", { 'x.a': [['1', null, '3'], null, []] }],
  ['struct beside a union', "pa.StructArray.from_arrays([pa.UnionArray.from_sparse(pa.array([0, 1, 0], pa.int8()), [pa.array([1, 2, 3]), pa.array(['x', 'y', 'z'])]), pa.array([1, 2, 3])], names=['u', 'a'])", { 'x.a': ['1', '2', '3'] }],
  ['struct of runs', "pa.StructArray.from_arrays([pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([7, 8])), pa.RunEndEncodedArray.from_arrays(pa.array([3], pa.int32()), pa.array([{'b': [1]}]))], names=['a', 'c'], mask=pa.array([False, True, False]))", { 'x.a': ['7', null, '8'], 'x.c.b': [['1'], null, ['1']] }],
  ['runs of structs', "pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int64()), pa.array([{'a': True, 'b': None}, {'a': None, 'b': [1]}]))", { 'x.a': [true, true, null], 'x.b': [null, null, ['1']] }],
]

/** What no kind of column holds, by what the error calls it. */
const refused: readonly (readonly [string, string, string])[] = [
  ['dense union', "pa.UnionArray.from_dense(pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1, 2]), pa.array(['x'])])", 'Union'],
  ['sparse union', "pa.UnionArray.from_sparse(pa.array([0, 1, 0], pa.int8()), [pa.array([1, 2, 3]), pa.array(['x', 'y', 'z'])])", 'Union'],
  ['interval', 'pa.array([pa.MonthDayNano([1, 2, 3]), None, pa.MonthDayNano([0, 0, 0])])', 'Interval'],
  ['list of intervals', 'pa.array([[pa.MonthDayNano([1, 2, 3])], None, []])', 'List of Interval'],
  ['long decimal', "pa.array([D('1.25'), None, D('2.5')], pa.decimal256(50, 3))", 'Decimal(50, 3)'],
]

describePeer('types of Arrow that pyarrow writes', 'pyarrow', () => {
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-arrow-types-'))
    await runPython(`
import numpy as np, pyarrow as pa, pyarrow.ipc as ipc
from decimal import Decimal as D
arrays = {${[...read, ...nested, ...refused].map(([name, array]) => `${JSON.stringify(name)}: ${array}`).join(', ')}, 'null': pa.nulls(3)}
for name, x in arrays.items():
    table = pa.table({'before': pa.array([1, 2, 3], pa.int32()), 'x': x, 'after': pa.array(['a', None, 'c'])})
    for compression in ('none', 'lz4', 'zstd'):
        with ipc.new_stream(f'${folder}/{name}.{compression}', table.schema, options=ipc.IpcWriteOptions(compression=None if compression == 'none' else compression)) as writer: writer.write_table(table)
def shared(name, x):
    table = pa.table({'x': x})
    with ipc.new_stream(f'${folder}/{name}', table.schema) as writer: writer.write_table(table)
shared('shared-items', pa.ListViewArray.from_arrays([0] * 10000, [10000] * 10000, pa.array(range(10000), pa.int32())))
shared('shared-lists', pa.ListViewArray.from_arrays([0] * 300, [300] * 300, pa.array([list(range(1000))] * 300, pa.list_(pa.int32()))))
shared('shared-texts', pa.RunEndEncodedArray.from_arrays(pa.array([2000], pa.int32()), pa.array(['x' * 2**20])))
shared('long-run', pa.RunEndEncodedArray.from_arrays(pa.array([2**30], pa.int32()), pa.array([1])))
deep = pa.array([1])
for _ in range(62): deep = pa.StructArray.from_arrays([deep], names=['x'])
shared('deep', deep)
`)
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it.each(read)('%s is read', async (name, _, values) => {
    for (const compression of ['none', 'lz4', 'zstd']) {
      const rows = plainRows(await run(pipe(readArrow(join(folder, `${name}.${compression}`)), collect())))
      expect(rows).toEqual(values.map((x, i) => ({ before: i + 1, x, after: ['a', null, 'c'][i] })))
    }
  })

  it.each(nested)('%s is read by what it holds, and refused where it is asked for itself', async (name, _, leaves) => {
    for (const compression of ['none', 'lz4', 'zstd']) {
      const file = join(folder, `${name}.${compression}`)
      expect(plainRows(await run(pipe(readArrow(file), collect())))).toEqual([0, 1, 2].map((row) => ({
        before: row + 1, ...Object.fromEntries(Object.entries(leaves).map(([leaf, values]) => [leaf, values[row]])), after: ['a', null, 'c'][row],
      })))
      for (const [leaf, values] of Object.entries(leaves)) expect(plainRows(await run(pipe(readArrow(file, { columns: [leaf, 'after'] }), collect())))).toEqual(values.map((x, i) => ({ [leaf]: x, after: ['a', null, 'c'][i] })))
      const due = { _tag: 'Schema', code: 'ARROW_KIND', position: { source: file, column: 'x' }, remedy: expect.stringContaining('Ask for them by name: x.') as string }
      for (const options of [{ columns: ['x'] }, { schema: { x: field.nullable(field.utf8()) } }]) await expect(run(pipe(readArrow(file, options as { columns: string[] }), collect()))).rejects.toMatchObject(due)
    }
  })

  it.each(refused)('%s is left out, and refused where it is asked for', async (name, _, called) => {
    for (const compression of ['none', 'lz4', 'zstd']) {
      const file = join(folder, `${name}.${compression}`)
      expect(await run(pipe(readArrow(file), collect()))).toEqual([{ before: 1, after: 'a' }, { before: 2, after: null }, { before: 3, after: 'c' }])
      const due = { _tag: 'Schema', code: 'ARROW_KIND', position: { source: file, column: 'x' }, remedy: expect.stringContaining('another type') as string }
      await expect(run(pipe(readArrow(file, { columns: ['x'] }), collect()))).rejects.toMatchObject({ ...due, problem: `the column is ${called} in the file, which no kind of column holds` })
      await expect(run(pipe(readArrow(file, { schema: { x: field.nullable(field.utf8()) } }), collect()))).rejects.toMatchObject({ ...due, problem: `the column is ${called} in the file, which utf8 cannot hold` })
    }
  })

  it('what small files make of shared values and of runs is bounded, and levels are read', async () => {
    const due: readonly (readonly [string, object])[] = [
      ['shared-items', { _tag: 'Limit', code: 'COLUMN_TOO_LARGE', problem: 'a column of one record batch holds more than 67108864 items that its lists share' }],
      ['shared-lists', { _tag: 'Limit', code: 'COLUMN_TOO_LARGE', problem: 'a column of one record batch holds more than 67108864 items that its lists share' }],
      ['shared-texts', { _tag: 'Limit', code: 'COLUMN_TOO_LARGE', problem: 'a column of one record batch holds 2097152000 bytes of texts that its rows share' }],
      ['long-run', { _tag: 'Corrupt', code: 'ARROW_CORRUPT', problem: expect.stringContaining('a column of runs has 1073741824 values') as string }],
    ]
    for (const [name, error] of due) expect(await errorOf(run(pipe(readArrow(join(folder, name)), collect()))), name).toMatchObject({ ...error, position: { source: join(folder, name) } })
    // As deep as pyarrow writes.
    expect(await run(pipe(readArrow(join(folder, 'deep')), collect()))).toEqual([{ [`x${'.x'.repeat(62)}`]: 1n }])
  })

  it('a column of nulls is taken by any nullable field', async () => {
    const file = join(folder, 'null.zstd')
    for (const x of [field.utf8(), field.int64(), field.float32(), field.timestamp(), field.decimal(5, 2), field.dictionary(), field.bool(), field.binary(), field.date()]) {
      expect(await run(pipe(readArrow(file, { schema: { x: field.nullable(x), before: field.int32() } }), collect())), x.kind).toEqual([1, 2, 3].map((before) => ({ x: null, before })))
    }
    await expect(run(pipe(readArrow(file, { schema: { x: field.int8() } }), collect()))).rejects.toMatchObject({ _tag: 'BadRecord', position: { record: 0, column: 'x' } })
    await expect(run(pipe(readArrow(file, { columns: ['x'] }), collect()))).rejects.toMatchObject({ code: 'ARROW_KIND', remedy: expect.stringContaining('nullable field') as string })
  })
})
