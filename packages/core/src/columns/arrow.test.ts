import * as arrow from 'apache-arrow'
import { describe, expect, it } from 'vitest'
import { batchFromArrow, batchFromRows, concatBatches } from '../stream/index.js'
import { hasTag } from '../errors/index.js'
import { field } from '../schema/index.js'
import { arrowType, columnFrom, columnFromArrow, concatColumns, fieldFromArrow, schemaFromArrow, withField, type Column, type FixedColumn } from './index.js'

const schema = {
  b: field.nullable(field.bool()), i: field.int64(), f: field.float32(), s: field.nullable(field.utf8()), at: field.timestamp({ unit: 'us' }), day: field.date(),
  price: field.nullable(field.decimal(10, 2)), tag: field.nullable(field.dictionary()), l: field.list(field.nullable(field.utf8())),
}
const data = Array.from({ length: 11 }, (_, n) => ({
  b: n % 3 === 0 ? null : n % 2 === 0, i: BigInt(n) << 54n, f: n / 2, s: n % 4 === 1 ? null : `text ${n}`, at: new Date(n * 1e9), day: new Date(n * 86_400_000),
  price: n === 5 ? null : `${n}.25`, tag: n === 6 ? null : `t${n % 3}`, l: Array.from({ length: n % 3 }, (_, k) => (k === 1 ? null : `${n}`)),
}))
const rowsOf = (batch: { numRows: number; row: (i: number) => unknown }): unknown[] => Array.from({ length: batch.numRows }, (_, i) => batch.row(i))

const code = (work: () => unknown): string => {
  try {
    work()
  } catch (thrown) {
    if (hasTag(thrown, 'Schema')) return thrown.code
    throw thrown
  }
  return 'none'
}

describe('Arrow record batches', () => {
  it('survive Arrow IPC, whole and as slices of either side', () => {
    const batch = batchFromRows(schema, data)
    const written = arrow.tableFromIPC(arrow.tableToIPC(new arrow.Table([batch.arrow, batch.slice(3, 10).arrow, batch.take(Int32Array.of(10, 0, 5)).arrow])))
    const read = written.batches.map((part) => batchFromArrow(schema, part))
    expect(read.map(rowsOf)).toEqual([data, data.slice(3, 10), [data[10], data[0], data[5]]])
    expect(rowsOf(concatBatches(schema, read))).toEqual([...data, ...data.slice(3, 10), data[10], data[0], data[5]])
    const sliced = batchFromArrow(schema, written.batches[0]!.slice(1, 9))
    expect(rowsOf(sliced)).toEqual(data.slice(1, 9))
    expect(rowsOf(batchFromArrow(schema, written.batches[0]!.slice(1, 9).slice(2, 5)))).toEqual(data.slice(3, 6))
    expect(rowsOf(batchFromArrow(schema, sliced.slice(1, 4).arrow))).toEqual(data.slice(2, 5))
  })

  it('show arrow-js the same values', () => {
    const batch = batchFromRows(schema, data)
    const strings = batch.slice(2, 7).arrow.getChild('s')!
    expect([...strings]).toEqual(data.slice(2, 7).map((row) => row.s))
    expect([...batch.slice(2, 7).arrow.getChild('b')!]).toEqual(data.slice(2, 7).map((row) => row.b))
    expect(batch.arrow.getChild('s')!.nullCount).toBe(3)
  })

  it('have the schema that they were made of', () => {
    const again = schemaFromArrow(batchFromRows(schema, []).arrow.schema)
    expect(Object.keys(again)).toEqual(Object.keys(schema))
    for (const [name, of] of Object.entries(schema)) expect([name, again[name]?.kind, again[name]?.nullable]).toEqual([name, of.kind, of.nullable])
    expect(again['at']!.params.unit).toBe('us')
    expect(again['price']!.params).toMatchObject({ precision: 10, scale: 2 })
    expect(again['l']!.params.item).toMatchObject({ kind: 'utf8', nullable: true })
  })

  it('of other writers: indices of any width, sliced dictionaries, unsupported types', () => {
    const dictionary = arrow.vectorFromArray(['x', 'y', null, 'x', 'y'], new arrow.Dictionary(new arrow.Utf8(), new arrow.Int8()))
    expect(columnFromArrow(dictionary.data[0]!).toArray()).toEqual(['x', 'y', null, 'x', 'y'])
    expect(columnFromArrow(dictionary.slice(1, 4).data[0]!).toArray()).toEqual(['y', null, 'x'])
    const bools = arrow.vectorFromArray([true, null, false, true, true, null, true, false, true, true, null], new arrow.Bool())
    expect(columnFromArrow(bools.slice(3, 11).data[0]!).toArray()).toEqual([true, true, null, true, false, true, true, null])
    expect(code(() => fieldFromArrow(new arrow.Float16(), false))).toBe('UNSUPPORTED_ARROW_TYPE')
    expect(code(() => fieldFromArrow(new arrow.Struct([]), false))).toBe('UNSUPPORTED_ARROW_TYPE')
    expect(String(arrowType(field.list(field.int8())))).toBe('List<Int8>')
  })

  it('of other writers: large strings, lists of a fixed size', () => {
    const large = arrow.vectorFromArray(['a', null, 'ü', 'long '.repeat(20)], new arrow.LargeUtf8())
    expect(columnFromArrow(large.data[0]!).toArray()).toEqual(['a', null, 'ü', 'long '.repeat(20)])
    expect(columnFromArrow(large.slice(1, 3).data[0]!).toArray()).toEqual([null, 'ü'])
    const fixed = arrow.vectorFromArray([[1, 2], null, [3, 4], [5, 6]], new arrow.FixedSizeList(2, new arrow.Field('item', new arrow.Int32(), true)))
    expect(columnFromArrow(fixed.data[0]!).toArray()).toEqual([[1, 2], null, [3, 4], [5, 6]])
    expect(columnFromArrow(fixed.slice(1, 4).data[0]!).toArray()).toEqual([null, [3, 4], [5, 6]])
    expect(fieldFromArrow(fixed.type, false).params.size).toBe(2)
  })

  it('of other writers: whatever stands where a row is null becomes 0', () => {
    const values = Float32Array.of(1, NaN, 3)
    const data = arrow.makeData({ type: new arrow.Float32(), length: 3, nullCount: 1, nullBitmap: Uint8Array.of(0b101), data: values })
    const column = columnFromArrow(data) as FixedColumn<number, Float32Array>
    expect([...column.values]).toEqual([1, 0, 3])
    expect(column.toArray()).toEqual([1, null, 3])
    expect(values[1]).toBeNaN()
  })

  it('are not taken under a field of another meaning', () => {
    const seconds = arrow.vectorFromArray([new Date(5000)], new arrow.Timestamp(arrow.TimeUnit.SECOND)).data[0]!
    expect(columnFromArrow(seconds, field.timestamp({ unit: 's' })).get(0)).toEqual(new Date(5000))
    expect(code(() => columnFromArrow(seconds, field.timestamp({ unit: 'ms' })))).toBe('KIND_MISMATCH')
    expect(code(() => columnFromArrow(seconds, field.int64()))).toBe('KIND_MISMATCH')
  })
})

describe('withField', () => {
  it('changes what rows show, in lists and dictionaries too', () => {
    const lists = withField(columnFrom(field.list(field.int64()), [[1n, 2n]]), field.list(field.int64({ as: 'number' })))
    expect(lists.get(0)).toEqual([1, 2])
    expect(lists.slice(0, 1).take(Int32Array.of(0)).get(0)).toEqual([1, 2])
    const dictionary = withField(columnFrom(field.dictionary(field.int64()), [7n]), field.dictionary(field.int64({ as: 'number' })))
    expect(dictionary.get(0)).toBe(7)
  })

  it('refuses what would mean something else', () => {
    const decimals: Column = columnFrom(field.decimal(5, 2), ['1.00'])
    expect(code(() => withField(decimals, field.decimal(5, 1)))).toBe('KIND_MISMATCH')
    expect(code(() => withField(columnFrom(field.timestamp(), [new Date(1)]), field.timestamp({ unit: 'ns' })))).toBe('KIND_MISMATCH')
    expect(code(() => withField(columnFrom(field.list(field.int8()), [[1], [1, 2]]), field.list(field.int8(), { size: 2 })))).toBe('KIND_MISMATCH')
    expect(withField(columnFrom(field.list(field.int8()), [[3, 4], [1, 2]]), field.list(field.int8(), { size: 2 })).get(1)).toEqual([1, 2])
    expect(code(() => withField(columnFrom(field.list(field.int8()), []), field.list(field.int16())))).toBe('KIND_MISMATCH')
    expect(code(() => concatColumns(field.int8(), [columnFrom(field.int8(), [1]), columnFrom(field.int16(), [1])]))).toBe('KIND_MISMATCH')
  })
})
