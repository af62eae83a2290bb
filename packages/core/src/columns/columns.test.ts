import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { field, type Field } from '../schema/index.js'
import { arrowData, columnFrom, columnFromArrow, concatColumns, makeBuilder, type Column } from './index.js'

const bytes = fc.uint8Array({ maxLength: 60 })
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 80 }), fc.string({ maxLength: 4 }))
const integer = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max })

/** Every kind, with values as its rows show them. */
const kinds: { readonly [name: string]: { readonly field: Field; readonly value: fc.Arbitrary<unknown> } } = {
  bool: { field: field.bool(), value: fc.boolean() },
  int8: { field: field.int8(), value: integer(-128, 127) },
  uint32: { field: field.uint32(), value: integer(0, 4294967295) },
  int64: { field: field.int64(), value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
  uint64: { field: field.uint64(), value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
  'int64 as number': { field: field.int64({ as: 'number' }), value: fc.maxSafeInteger() },
  float32: { field: field.float32(), value: fc.float() },
  float64: { field: field.float64(), value: fc.double() },
  utf8: { field: field.utf8(), value: text },
  binary: { field: field.binary(), value: bytes },
  date: { field: field.date(), value: integer(-1e6, 1e6).map((day) => new Date(day * 86_400_000)) },
  'timestamp s': { field: field.timestamp({ unit: 's' }), value: integer(-1e9, 1e9).map((second) => new Date(second * 1000)) },
  timestamp: { field: field.timestamp(), value: fc.date({ noInvalidDate: true }) },
  'timestamp ns': { field: field.timestamp({ unit: 'ns' }), value: integer(-9e12, 9e12).map((ms) => new Date(ms)) },
  decimal: {
    field: field.decimal(38, 3),
    value: fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }).map((unscaled) => {
      const digits = `${unscaled < 0n ? -unscaled : unscaled}`.padStart(4, '0')
      return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -3)}.${digits.slice(-3)}`
    }),
  },
  dictionary: { field: field.dictionary(), value: fc.constantFrom('a', 'b', '', 'ü', 'a longer value that is no short text') },
  'dictionary of int64': { field: field.dictionary(field.int64()), value: fc.constantFrom(1n, 2n, -(2n ** 62n)) },
  'list of int32': { field: field.list(field.int32()), value: fc.array(integer(-5, 5), { maxLength: 5 }) },
  'list of lists of nullable utf8': { field: field.list(field.list(field.nullable(field.utf8()))), value: fc.array(fc.array(fc.option(text), { maxLength: 3 }), { maxLength: 3 }) },
}

/** Columns of a kind, with nulls or without, and the values that they must show. */
const columns = (kind: { readonly field: Field; readonly value: fc.Arbitrary<unknown> }, maxLength = 40): fc.Arbitrary<{ field: Field; values: unknown[]; column: Column }> =>
  fc.oneof(
    fc.array(kind.value, { maxLength }).map((values) => ({ field: kind.field, values })),
    fc.array(fc.option(kind.value), { maxLength }).map((values) => ({ field: field.nullable(kind.field) as Field, values })),
  ).map(({ field: of, values }) => ({ field: of, values, column: columnFrom(of, values) }))

const span = fc.tuple(fc.nat(45), fc.nat(45)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
const clamp = ([start, end]: readonly [number, number], length: number): [number, number] => [Math.min(start, length), Math.min(end, length)]

const expectColumn = (column: Column, values: readonly unknown[]): void => {
  expect(column.length).toBe(values.length)
  expect(column.toArray()).toEqual(values)
  expect(column.nullCount).toBe(values.filter((value) => value === null).length)
  values.forEach((value, row) => expect(column.isValid(row)).toBe(value !== null))
}

describe.each(Object.entries(kinds))('columns of %s', (_name, kind) => {
  it('slice, take and concat as arrays do', () => {
    fc.assert(fc.property(columns(kind), span, span, fc.array(fc.nat(1000), { maxLength: 20 }), ({ field: of, values, column }, a, b, picks) => {
      expectColumn(column, values)
      const first = clamp(a, values.length)
      const sliced = column.slice(...first)
      const expected = values.slice(...first)
      expectColumn(sliced, expected)
      const second = clamp(b, expected.length)
      expectColumn(sliced.slice(...second), expected.slice(...second))
      const indices = expected.length === 0 ? [] : picks.map((pick) => pick % expected.length)
      expectColumn(sliced.take(Int32Array.from(indices)), indices.map((index) => expected[index]))
      expectColumn(sliced.take(Int32Array.from([-1, ...indices, -1])), [null, ...indices.map((index) => expected[index]), null])
      expectColumn(concatColumns(of, [sliced, column, sliced.slice(...second)]), [...expected, ...values, ...expected.slice(...second)])
    }), { numRuns: 60 })
  })

  it('go to Arrow and come back, sliced on either side', () => {
    fc.assert(fc.property(columns(kind), span, span, ({ field: of, values, column }, a, b) => {
      const first = clamp(a, values.length)
      const expected = values.slice(...first)
      const data = arrowData(column.slice(...first))
      expectColumn(columnFromArrow(data, of), expected)
      const [start, end] = clamp(b, expected.length)
      expectColumn(columnFromArrow(data.slice(start, end - start), of), expected.slice(start, end))
    }), { numRuns: 60 })
  })

  it('are built whole again after rows were forgotten', () => {
    fc.assert(fc.property(columns(kind, 12), columns(kind, 12), fc.nat(12), ({ values: first }, { values: second }, keep) => {
      const of = field.nullable(kind.field)
      const builder = makeBuilder(of)
      for (const value of first) builder.append(value)
      builder.truncate(keep)
      for (const value of second) builder.append(value)
      expectColumn(builder.finish(), [...first.slice(0, keep), ...second])
      // The builder starts again, empty.
      for (const value of second) builder.append(value)
      expectColumn(builder.finish(), second)
    }), { numRuns: 40 })
  })
})
