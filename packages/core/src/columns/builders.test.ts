import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ConversionError, field, type Field } from '../schema/index.js'
import type { BytesBuilder, ListBuilder } from './index.js';
import { bitmapBytes, clearBit, columnFrom, countBits, fixedColumn, getBit, makeBuilder, setBit, sliceBits, withField, type ColumnBuilder, type FixedColumn } from './index.js'
import { makeBatch } from '../stream/batch.js'
import { concatBits } from './bitmap.js'

const codeOf = (work: () => unknown): string => {
  try {
    work()
  } catch (thrown) {
    if (thrown instanceof ConversionError) return thrown.code
    throw thrown
  }
  return 'taken'
}
const append = (of: Field, value: unknown): string => codeOf(() => makeBuilder(of).append(value))
const appendText = (of: Field, text: string): string => codeOf(() => makeBuilder(of).appendText(text))
const stored = (of: Field, text: string): unknown => {
  const builder = makeBuilder(of)
  builder.appendText(text)
  return builder.finish().get(0)
}

describe('integers', () => {
  it.each([
    ['int8', -128, 127], ['int16', -32768, 32767], ['int32', -2147483648, 2147483647], ['uint8', 0, 255], ['uint16', 0, 65535], ['uint32', 0, 4294967295],
  ] as const)('%s has its range, as number, bigint and text', (kind, least, most) => {
    const of = field[kind]()
    for (const value of [least, most]) {
      expect(columnFrom(of, [value, BigInt(value)]).toArray()).toEqual([value, value])
      expect(stored(of, `${value}`)).toBe(value)
    }
    for (const value of [least - 1, most + 1, 1e300]) {
      expect(append(of, value)).toBe('OUT_OF_RANGE')
      expect(append(of, BigInt(value))).toBe('OUT_OF_RANGE')
    }
    expect(appendText(of, `${most + 1}`)).toBe('OUT_OF_RANGE')
    for (const value of [1.5, NaN, Infinity, '1', true, {}, []]) expect(append(of, value)).toBe('WRONG_TYPE')
    for (const text of ['', ' 1', '1.0', '0x1', '1e2', '--1', '١']) expect(appendText(of, text)).toBe('BAD_TEXT')
    expect(append(of, null)).toBe('NULL')
    expect(append(of, undefined)).toBe('NULL')
  })

  it('64 bits are exact beyond 2^53', () => {
    for (const text of ['9007199254740993', '-9223372036854775808', '9223372036854775807', '+5', '-0']) expect(stored(field.int64(), text)).toBe(BigInt(text.replace('+', '')))
    expect(stored(field.uint64(), '18446744073709551615')).toBe(2n ** 64n - 1n)
    expect(appendText(field.int64(), '9223372036854775808')).toBe('OUT_OF_RANGE')
    expect(appendText(field.uint64(), '-1')).toBe('OUT_OF_RANGE')
    expect(appendText(field.int64(), '1'.repeat(1_000_000))).toBe('OUT_OF_RANGE')
    // Which integer was meant is lost once it is a number.
    expect(append(field.int64(), 2 ** 53)).toBe('OUT_OF_RANGE')
    expect(append(field.int64(), 2 ** 53 - 1)).toBe('taken')
    for (const of of [field.int64({ as: 'number' }), field.uint64({ as: 'number' })]) {
      expect(appendText(of, '9007199254740991')).toBe('taken')
      expect(appendText(of, '9007199254740993')).toBe('OUT_OF_RANGE')
      expect(append(of, 2n ** 53n)).toBe('OUT_OF_RANGE')
    }
    const asNumber = withField(columnFrom(field.int64(), [5n, 9007199254740993n]), field.int64({ as: 'number' }))
    expect(asNumber.get(0)).toBe(5)
    expect(codeOf(() => asNumber.get(1))).toBe('OUT_OF_RANGE')
  })
})

describe('floats and booleans', () => {
  it('take numbers and texts, and no names that objects happen to have', () => {
    for (const [text, value] of [['1', 1], ['-.5', -0.5], ['1.', 1], ['1e3', 1000], ['+2.5E-1', 0.25], ['NaN', NaN], ['-Infinity', -Infinity], ['inf', Infinity]] as const) {
      expect(stored(field.float64(), text)).toBe(value)
    }
    for (const text of ['', '.', 'e3', '1e', '0x10', '1_000', 'constructor', '__proto__', ' 1']) expect(appendText(field.float64(), text)).toBe('BAD_TEXT')
    for (const text of ['constructor', 'toString', '__proto__', '', '2']) expect(appendText(field.bool(), text)).toBe('BAD_TEXT')
    for (const [text, value] of [['TRUE', true], ['no', false], ['1', true], ['F', false]] as const) expect(stored(field.bool(), text)).toBe(value)
    expect(append(field.bool(), 1)).toBe('WRONG_TYPE')
  })

  it('round, but do not overflow silently', () => {
    expect(columnFrom(field.float32(), [0.1, 1e-50, Infinity, NaN]).toArray()).toEqual([Math.fround(0.1), 0, Infinity, NaN])
    expect(append(field.float32(), 1e39)).toBe('OUT_OF_RANGE')
    expect(appendText(field.float32(), '1e39')).toBe('OUT_OF_RANGE')
    expect(appendText(field.float64(), '1e999')).toBe('OUT_OF_RANGE')
    expect(append(field.float64(), 2n ** 53n)).toBe('taken')
    expect(append(field.float64(), 2n ** 53n + 1n)).toBe('OUT_OF_RANGE')
  })
})

describe('decimals', () => {
  const money = field.decimal(5, 2)
  it('are exact or refused', () => {
    for (const [text, value] of [['1', '1.00'], ['-0.5', '-0.50'], ['12.30', '12.30'], ['999.99', '999.99'], ['1e2', '100.00'], ['1.5000', '1.50'], ['.25', '0.25'], ['0e500', '0.00']] as const) {
      expect(stored(money, text)).toBe(value)
    }
    for (const text of ['1000', '-1000', '0.005', '1e900', '1e-900']) expect(appendText(money, text)).toBe('OUT_OF_RANGE')
    for (const text of ['', '.', '-', '1,5', '1e', 'NaN', '1e9999']) expect(appendText(money, text)).toBe('BAD_TEXT')
    expect(columnFrom(money, [0.1, 3n, '7']).toArray()).toEqual(['0.10', '3.00', '7.00'])
    expect(() => makeBuilder(field.decimal(38, 2)).appendText('0.005')).toThrow('"0.005" has more digits after the point than the scale of the decimal, which is 2')
    const most = '9'.repeat(38)
    expect(columnFrom(field.decimal(38, 0), [most, `-${most}`]).toArray()).toEqual([most, `-${most}`])
    expect(append(field.decimal(38, 0), `1${'0'.repeat(38)}`)).toBe('OUT_OF_RANGE')
  })
})

describe('timestamps and dates', () => {
  const raw = (of: Field, text: string): bigint => {
    const builder = makeBuilder(of)
    builder.appendText(text)
    return (builder.finish() as unknown as FixedColumn<Date, BigInt64Array>).values[0]!
  }

  it('keep what is below a millisecond in us and ns', () => {
    expect(raw(field.timestamp({ unit: 'ns' }), '1970-01-01T00:00:01.123456789Z')).toBe(1_123_456_789n)
    expect(raw(field.timestamp({ unit: 'ns' }), '1970-01-01T00:00:01,1234567Z')).toBe(1_123_456_700n)
    expect(raw(field.timestamp({ unit: 'us' }), '1969-12-31T23:59:59.999999Z')).toBe(-1n)
    expect(raw(field.timestamp({ unit: 'us' }), '1969-12-31T23:59:59.999999999Z')).toBe(-1n)
    expect(raw(field.timestamp({ unit: 's' }), '1969-12-31T23:59:59.999Z')).toBe(-1n)
    expect(columnFrom(field.timestamp({ unit: 'ns' }), [-1n]).get(0)).toEqual(new Date(-1))
    expect(columnFrom(field.timestamp({ unit: 'us' }), [-1000n, 1999n]).toArray()).toEqual([new Date(-1), new Date(1)])
  })

  it('do not wrap around', () => {
    expect(append(field.timestamp(), 2n ** 63n)).toBe('OUT_OF_RANGE')
    expect(append(field.timestamp({ unit: 'ns' }), new Date('2300-01-01'))).toBe('OUT_OF_RANGE')
    expect(appendText(field.timestamp({ unit: 'ns' }), '1600-01-01')).toBe('OUT_OF_RANGE')
    expect(append(field.timestamp({ unit: 'ns' }), new Date('2262-04-11T23:47:16Z'))).toBe('taken')
    expect(append(field.timestamp(), new Date(NaN))).toBe('WRONG_TYPE')
    expect(append(field.timestamp(), 5)).toBe('WRONG_TYPE')
  })

  it('beyond what a Date holds are errors where they are shown, not invalid dates', () => {
    const most = 8_640_000_000_000_000
    expect(columnFrom(field.timestamp(), [BigInt(most), BigInt(-most)]).toArray()).toEqual([new Date(most), new Date(-most)])
    for (const [of, value] of [[field.timestamp(), BigInt(most) + 1n], [field.timestamp({ unit: 'us' }), 2n ** 63n - 1n], [field.timestamp({ unit: 's' }), -(2n ** 63n)]] as const) {
      const column = columnFrom(of, [value])
      expect(() => column.get(0)).toThrow(/(s|ms|us) from 1970 are beyond what a JavaScript Date holds/)
      expect(inspect(column)).toContain(`${value} ${of.params.unit} from 1970 are beyond what a JavaScript Date holds`)
      const batch = makeBatch({ n: field.int32(), at: of }, { n: columnFrom(field.int32(), [1]), at: column })
      expect(inspect(batch)).toMatch(/ from 1970 are be/)
      expect(() => batch.row(0)).toThrow(expect.objectContaining({ _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { column: 'at' }, remedy: expect.stringContaining("the column's values") as string }) as Error)
      expect((column as unknown as FixedColumn<Date, BigInt64Array>).values[0]).toBe(value)
    }
    const days = fixedColumn(field.nullable(field.date()), Int32Array.of(100_000_000, -100_000_000, 2147483647, -100_000_001, 2147483647), Uint8Array.of(0b01111))
    expect([days.get(0), days.get(1), days.get(4)]).toEqual([new Date(most), new Date(-most), null])
    for (const row of [2, 3]) expect(() => days.get(row)).toThrow(/days from 1970 are beyond what a JavaScript Date holds/)
    expect(() => days.get(2)).toThrow(expect.objectContaining({ _tag: 'BadRecord', code: 'OUT_OF_RANGE' }) as Error)
  })

  it('dates are UTC days', () => {
    expect(columnFrom(field.date(), [new Date('1969-12-31T23:00:00Z'), '2024-02-29', null].slice(0, 2)).toArray()).toEqual([new Date('1969-12-31'), new Date('2024-02-29')])
    expect(stored(field.date({ format: 'dd.MM.yyyy' }), '03.10.1990')).toEqual(new Date('1990-10-03'))
  })
})

describe('strings', () => {
  it('are UTF-8, whatever their length and where it stops being ASCII', () => {
    const values = ['', 'a', 'ü', '😀', 'x'.repeat(63) + 'ü', 'x'.repeat(64) + '😀', 'x'.repeat(65), '\0', '\ufeffbom', 'ü'.repeat(50_000)]
    expect(columnFrom(field.utf8(), values).toArray()).toEqual(values)
    for (const half of ['\ud800', 'x\udc00', `${'x'.repeat(70)}\ud800`, '\udc00\ud800', 'ü\ud83d']) {
      for (const of of [field.utf8(), field.dictionary(), field.list(field.utf8())]) expect(append(of, of.kind === 'list' ? [half] : half), JSON.stringify(half)).toBe('BAD_TEXT')
    }
    expect(columnFrom(field.utf8(), ['\ufffd', '\ud83d\ude00']).toArray()).toEqual(['\ufffd', '😀'])
    expect(append(field.utf8(), 5)).toBe('WRONG_TYPE')
    expect(append(field.binary(), 'text')).toBe('WRONG_TYPE')
  })

  it('take bytes from a reader, short and long', () => {
    const builder = makeBuilder(field.utf8()) as unknown as BytesBuilder
    const source = new TextEncoder().encode('-'.repeat(10) + 'y'.repeat(100))
    builder.appendBytes(source, 10, 13)
    builder.appendBytes(source, 10, 10)
    builder.appendBytes(source, 10, 110)
    expect(builder.finish().toArray()).toEqual(['yyy', '', 'y'.repeat(100)])
  })

  it('own their bytes', () => {
    const value = Uint8Array.of(1, 2, 3)
    const column = columnFrom(field.binary(), [value])
    value[0] = 9
    const read = column.get(0)
    expect(read).toEqual(Uint8Array.of(1, 2, 3))
    read[1] = 9
    expect(column.get(0)).toEqual(Uint8Array.of(1, 2, 3))
  })
})

describe('a builder after a value that does not fit', () => {
  it('is as it was', () => {
    const cases: readonly (readonly [Field, unknown, unknown])[] = [
      [field.int8(), 1, 300], [field.utf8(), 'a', 5], [field.list(field.int8()), [1, 2], [3, 400]], [field.list(field.int8(), { size: 2 }), [1, 2], [1, 2, 3]],
      [field.list(field.list(field.int8())), [[1]], [[1], [2, 'x']]], [field.dictionary(field.int8()), 1, 300], [field.decimal(3, 0), '5', '5.5'], [field.timestamp(), new Date(1), 'no time'],
    ]
    for (const [of, good, bad] of cases) {
      const builder = makeBuilder(of)
      builder.append(good)
      expect(codeOf(() => builder.append(bad))).not.toBe('taken')
      expect(codeOf(() => builder.appendNull())).toBe('NULL')
      builder.append(good)
      expect(builder.length).toBe(2)
      const column = builder.finish()
      expect(column.get(1)).toEqual(column.get(0))
      expect(column.length).toBe(2)
    }
  })

  it('forgets the items of a list that was begun', () => {
    const builder = makeBuilder(field.list(field.int32(), { size: 2 })) as unknown as ListBuilder
    builder.items.append(1)
    builder.items.append(2)
    builder.endList()
    builder.items.append(3)
    expect(codeOf(() => builder.endList())).toBe('OUT_OF_RANGE')
    builder.items.append(4)
    builder.truncate(1)
    builder.append([5, 6])
    builder.items.append(7)
    expect(builder.finish().toArray()).toEqual([[1, 2], [5, 6]])
  })
})

describe('lists', () => {
  it('take arrays, typed arrays and JSON texts', () => {
    const builder: ColumnBuilder = makeBuilder(field.nullable(field.list(field.nullable(field.float32()))))
    builder.append([1, null])
    builder.append(Float64Array.of(2.5))
    builder.appendText('[3, null]')
    builder.appendNull()
    builder.append([])
    expect(codeOf(() => builder.appendText('[3'))).toBe('BAD_TEXT')
    expect(codeOf(() => builder.append('abc'))).toBe('WRONG_TYPE')
    expect(builder.finish().toArray()).toEqual([[1, null], [2.5], [3, null], null, []])
  })
})

describe('lists in texts', () => {
  it('keep every digit of integers and decimals', () => {
    const long = field.list(field.int64())
    expect(stored(long, '[9223372036854775807, -9223372036854775808]')).toEqual([2n ** 63n - 1n, -(2n ** 63n)])
    expect(stored(long, '[1.0, 1e3,2]')).toEqual([1n, 1000n, 2n])
    expect(stored(field.list(field.list(field.uint64())), '[[18446744073709551615],[]]')).toEqual([[2n ** 64n - 1n], []])
    expect(stored(field.list(field.decimal(38, 20)), '[0.12345678901234567891, "1.5", 2]')).toEqual(['0.12345678901234567891', '1.50000000000000000000', '2.00000000000000000000'])
    expect(stored(field.list(field.nullable(field.decimal(20, 0))), '[null,12345678901234567891]')).toEqual([null, '12345678901234567891'])
    for (const text of ['[9007199254740991.4]', '[0.99999999999999999999]', '[1e-400]', '["1.0"]', '[{"n":1.5}]', '[[1.5]]', '[1.5']) expect(appendText(long, text), text).toMatch(/BAD_TEXT|WRONG_TYPE/)
    expect(appendText(long, '[9223372036854775808]')).toBe('OUT_OF_RANGE')
    expect(appendText(long, `${'['.repeat(5_000)}1.5${']'.repeat(5_000)}`)).toBe('WRONG_TYPE')
    expect(stored(field.list(field.utf8()), '["1.5","\\"n1.0"]')).toEqual(['1.5', '"n1.0'])
  })
})

describe('lists of one size', () => {
  it('are told by the length that they have', () => {
    expect(() => makeBuilder(field.list(field.int8(), { size: 2 })).append([1, 2, 3])).toThrow('the list has 3 items where 2 are due')
  })
})

describe('dictionaries', () => {
  it('store each value once, and nulls not at all', () => {
    const column = columnFrom(field.nullable(field.dictionary()), ['a', null, 'b', 'a'])
    expect(column.toArray()).toEqual(['a', null, 'b', 'a'])
    expect((column as unknown as { dictionary: { length: number } }).dictionary.length).toBe(2)
    expect(columnFrom(field.nullable(field.dictionary()), [null, null]).toArray()).toEqual([null, null])
    expect(columnFrom(field.dictionary(field.binary()), [Uint8Array.of(200), Uint8Array.of(200)]).toArray()).toEqual([Uint8Array.of(200), Uint8Array.of(200)])
  })
})

describe('bitmaps', () => {
  it('slice at odd offsets, count and join', () => {
    const length = 100
    const bits = new Uint8Array(bitmapBytes(length))
    const expected = Array.from({ length }, (_, i) => (i * 7) % 5 < 2)
    expected.forEach((bit, i) => bit && setBit(bits, i))
    for (const start of [0, 1, 7, 8, 9, 63, 99, 100]) {
      for (const size of [0, 1, 5, 8, 17, 36]) {
        const end = Math.min(length, start + size)
        const sliced = sliceBits(bits, start, end - start)
        const want = expected.slice(start, end)
        expect(want.map((_, i) => getBit(sliced, i))).toEqual(want)
        expect(countBits(sliced, want.length)).toBe(want.filter(Boolean).length)
        const joined = concatBits([{ bits: sliced, length: want.length }, { bits: undefined, length: 3 }, { bits, length: 13 }])
        const all = [...want, true, true, true, ...expected.slice(0, 13)]
        expect(all.map((_, i) => getBit(joined, i))).toEqual(all)
      }
    }
    clearBit(bits, 1)
    expect(getBit(bits, 1)).toBe(false)
  })
})
