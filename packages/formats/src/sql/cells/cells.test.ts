import { field, makeBuilder, type Column, type Field } from '@millrace/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseSqlDate, inUnit } from '../sql-time.js'
import { bytesOf } from './bytes-cells.js'
import { CellColumns } from './cell-columns.js'
import { rowsOfPiece, type Cells } from './cells.js'
import { decimalColumn } from './decimal-cells.js'
import { floatColumn, integerColumn } from './number-cells.js'
import { RowBytes, RowMemory } from './row-bytes.js'
import { daysOf, InstantWriter } from './time-cells.js'

/** Values as cells, with a byte between them that belongs to none. */
const cellsOf = (values: readonly (Uint8Array | null)[]): Cells => {
  const bytes = Buffer.concat(values.flatMap((value) => [Buffer.from([0xff]), value ?? new Uint8Array(0)]))
  const cells = { length: values.length, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), starts: new Int32Array(values.length), ends: new Int32Array(values.length) }
  let at = 0
  for (const [row, value] of values.entries()) {
    cells.starts[row] = value === null ? -1 : ++at
    if (value === null) at++
    at += value?.length ?? 0
    cells.ends[row] = at
  }
  return cells
}

/** What the builder of a field makes of the values; `undefined` where it refuses one. */
const built = (of: Field, values: readonly unknown[]): readonly unknown[] | undefined => {
  const builder = makeBuilder(of)
  try {
    for (const value of values) {
      if (typeof value === 'string') builder.appendText(value)
      else builder.append(value)
    }
  } catch {
    return undefined
  }
  return builder.finish().toArray()
}

const shown = (column: Column | undefined): readonly unknown[] | undefined => column?.toArray()

const nullable = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<(T | null)[]> => fc.array(fc.option(of, { freq: 5 }), { maxLength: 20 })

const integerBytes = (bits: number, littleEndian: boolean, value: bigint): Uint8Array => {
  const bytes = Buffer.alloc(8)
  if (littleEndian) bytes.writeBigInt64LE(BigInt.asIntN(64, value))
  else bytes.writeBigInt64BE(BigInt.asIntN(64, value))
  return littleEndian ? bytes.subarray(0, bits / 8) : bytes.subarray(8 - bits / 8)
}

describe('integers of a server', () => {
  const kinds: readonly Field[] = [
    ...[field.int8(), field.int16(), field.int32(), field.int64(), field.uint8(), field.uint16(), field.uint32(), field.uint64(), field.float32(), field.float64()], field.int64({ as: 'number' }),
  ].map((of) => field.nullable(of))

  for (const bits of [8, 16, 32, 64] as const) {
    for (const signed of [true, false]) {
      it(`of ${bits} bits, ${signed ? 'signed' : 'unsigned'}, come as a builder takes them, or are left to it`, () => {
        const [least, most] = signed ? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n] : [0n, 2n ** BigInt(bits) - 1n]
        const value = fc.oneof(fc.bigInt({ min: least, max: most }), fc.constantFrom(least, most, 0n, 1n), fc.bigInt({ min: signed ? -130n : 0n, max: 130n }).map((small) => (small < least ? least : small > most ? most : small)))
        fc.assert(fc.property(nullable(value), fc.constantFrom(...kinds), fc.boolean(), (values, of, littleEndian) => {
          const cells = cellsOf(values.map((one) => (one === null ? null : integerBytes(bits, littleEndian, one))))
          const column = shown(integerColumn(cells, { bits, signed, littleEndian }, of))
          const exact = values.every((one) => one === null || Number.isSafeInteger(Number(one)))
          const due = built(of, values.map((one) => (one === null ? null : String(one))))
          // Doubles of what no double holds are left to the builder.
          if (column !== undefined || (exact && due !== undefined)) expect(column).toEqual(due)
        }))
      })
    }
  }

  it('are booleans where they are 0 or 1', () => {
    const cells = cellsOf([new Uint8Array([1]), null, new Uint8Array([0])])
    expect(shown(integerColumn(cells, { bits: 8, signed: true, littleEndian: true }, field.nullable(field.bool())))).toEqual([true, null, false])
    expect(integerColumn(cellsOf([new Uint8Array([2])]), { bits: 8, signed: true, littleEndian: true }, field.bool())).toBeUndefined()
  })
})

it('floats of a server are those of the column, or refused where a single one would be infinite', () => {
  fc.assert(fc.property(nullable(fc.double()), fc.boolean(), fc.constantFrom(field.float32(), field.float64()), (values, littleEndian, of) => {
    const target = field.nullable(of)
    const cells = cellsOf(values.map((value) => {
      if (value === null) return null
      const bytes = Buffer.alloc(8)
      if (littleEndian) bytes.writeDoubleLE(value)
      else bytes.writeDoubleBE(value)
      return bytes
    }))
    expect(shown(floatColumn(cells, 64, littleEndian, target))).toEqual(built(target, values))
  }))
  const single = Buffer.alloc(4)
  single.writeFloatLE(0.1)
  expect(shown(floatColumn(cellsOf([single]), 32, true, field.float64()))).toEqual([Math.fround(0.1)])
})

it('decimals of a server are those that a builder makes of their texts, to the last digit, or left to it', () => {
  const digits = (most: number) => fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: most }).map((all) => all.join(''))
  const text = fc.oneof(
    fc.tuple(fc.constantFrom('', '-'), digits(39), fc.option(digits(12))).map(([sign, whole, fraction]) => `${sign}${whole}${fraction === null ? '' : `.${fraction}`}`),
    fc.constantFrom('0', '-0.00', '000.10', '99999999999999999999999999999999999999', '-99999999999999999999999999999999999999', '0.0000000001', '4294967295', '4294967296', '-18446744073709551616', '1.', '.5', '-', '', '1e3', 'NaN', '1.2.3', '+1'),
  )
  const targets = [field.decimal(38, 10), field.decimal(38, 0), field.decimal(10, 2), field.decimal(5, 5), field.float64()]
  const seen = { whole: 0, left: 0 }
  fc.assert(fc.property(nullable(text), fc.constantFrom(...targets), (values, of) => {
    const target = field.nullable(of)
    const column = shown(decimalColumn(cellsOf(values.map((value) => (value === null ? null : Buffer.from(value)))), target))
    if (column === undefined) return void seen.left++
    seen.whole++
    expect(column).toEqual(built(target, values))
  }), { numRuns: 3000 })
  expect(seen.whole).toBeGreaterThan(100)
  for (const value of ['0', '-12.30', '123456789012345678901234567.1234567890', '-0.0000000001']) {
    expect(shown(decimalColumn(cellsOf([Buffer.from(value)]), field.decimal(38, 10)))).toEqual(built(field.decimal(38, 10), [value]))
  }
})

it('texts are copied, and refused where one of them is not UTF-8, though all of them together are', () => {
  fc.assert(fc.property(nullable(fc.string({ unit: 'binary', maxLength: 80 })), (texts) => {
    expect(shown(bytesOf(cellsOf(texts.map((text) => (text === null ? null : Buffer.from(text)))), field.nullable(field.utf8())))).toEqual(texts.map((text) => (text === null ? null : Buffer.from(text).toString())))
  }))
  const [first, second] = [Buffer.from('é').subarray(0, 1), Buffer.from('é').subarray(1)]
  expect(bytesOf(cellsOf([first, second]), field.utf8())).toBeUndefined()
  expect(bytesOf(cellsOf([first]), field.utf8())).toBeUndefined()
  expect(shown(bytesOf(cellsOf([first, second]), field.binary()))).toEqual([new Uint8Array(first), new Uint8Array(second)])
})

describe('times of a server', () => {
  it('are days of the calendar, or none', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 9999 }), fc.integer({ min: 0, max: 13 }), fc.integer({ min: 0, max: 32 }), (year, month, day) => {
      const text = `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`
      let due = NaN
      try {
        due = parseSqlDate(text)
      } catch {
        // None of the calendar.
      }
      expect(daysOf(year, month, day), text).toBe(due)
    }), { numRuns: 2000 })
    for (const [year, month, day] of [[1900, 2, 29], [2000, 2, 29], [2024, 2, 29], [2023, 2, 29], [1, 1, 1], [9999, 12, 31]] as const) {
      const date = new Date(0)
      date.setUTCFullYear(year, month - 1, day)
      expect(daysOf(year, month, day)).toBe(date.getUTCDate() === day ? date.getTime() / 86_400_000 : NaN)
    }
  })

  it('are instants in every unit, cut towards the past, or refused where nanoseconds do not hold them', () => {
    const safe = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -5_000_000, max: 5_000_000 }), fc.constantFrom(9_223_372_036_854_775, -9_223_372_036_854_775, 9_223_372_036_854_776 - 1, -1, 999, 4_294_967_296))
    fc.assert(fc.property(safe, fc.constantFrom('s' as const, 'ms' as const, 'us' as const, 'ns' as const), (micros, unit) => {
      const of = field.timestamp({ unit })
      const due = inUnit(BigInt(micros), of)
      for (const given of [micros, BigInt(micros)]) {
        const writer = new InstantWriter(of, 1)
        const sound = BigInt.asIntN(64, due) === due
        expect(writer.put(0, given)).toBe(sound)
        if (sound) expect(writer.values[0]).toBe(due)
      }
    }), { numRuns: 2000 })
  })
})

it('rows are put together from the memories that they came in', () => {
  fc.assert(fc.property(fc.array(fc.array(fc.tuple(fc.nat(3), fc.uint8Array({ maxLength: 9 })), { maxLength: 6 }), { maxLength: 6 }), (memories) => {
    const rows = new RowBytes()
    for (const memory of memories) {
      const source = Buffer.concat(memory.flatMap(([gap, row]) => [Buffer.alloc(gap, 255), row]))
      let at = 0
      for (const [gap, row] of memory) {
        rows.push(source, at + gap, at + gap + row.length)
        at += gap + row.length
      }
    }
    const due = memories.flatMap((memory) => memory.map(([, row]) => Buffer.from(row)))
    expect(rows.rows).toBe(due.length)
    const { bytes, starts, ends } = new RowMemory().together(rows.take())
    expect(Array.from(starts, (start, i) => Buffer.from(bytes.subarray(start, ends[i])))).toEqual(due)
    expect([rows.rows, rows.size]).toEqual([0, 0])
  }))
  const many = new RowBytes()
  const source = new Uint8Array(5000).map((_, i) => i)
  for (let i = 0; i < 5000; i++) many.push(source, i, i + 1)
  const taken = new RowMemory().together(many.take())
  expect(Array.from(taken.starts, (start) => taken.bytes[start])).toEqual([...source])
})

it('a memory of rows is used again, but for rows that are very large', () => {
  const memory = new RowMemory()
  const together = (...rows: readonly Uint8Array[]) => {
    const collected = new RowBytes()
    for (const row of rows) collected.push(row, 0, row.length)
    return Buffer.from(memory.together(collected.take()).bytes.buffer)
  }
  const first = together(new Uint8Array(500), new Uint8Array(500))
  expect(together(new Uint8Array(3), Uint8Array.of(7)).buffer).toBe(first.buffer)
  expect(first[3]).toBe(7)
  const large = together(new Uint8Array(9 * 2 ** 20), new Uint8Array(9 * 2 ** 20))
  expect(large.length).toBe(18 * 2 ** 20)
  expect(together(new Uint8Array(3), new Uint8Array(4)).buffer).toBe(first.buffer)
})

it('an index is bounded: fewer rows of many columns', () => {
  expect([rowsOfPiece(0, 10), rowsOfPiece(5, 4096), rowsOfPiece(4096, 4096), rowsOfPiece(10 ** 9, 4096)]).toEqual([10, 4096, 128, 1])
})

describe('columns of cells', () => {
  const text = { value: (cells: Cells, row: number) => Buffer.from(cells.bytes.subarray(cells.starts[row], cells.ends[row])).toString(), column: () => undefined }
  const { bytes, starts, ends, length } = cellsOf([Buffer.from('1'), null, Buffer.from('x'), Buffer.from('1')])
  const piece = new CellColumns({ length, bytes, starts, ends }, [text])
  const of = { is: 'text', name: 'text' } as const

  it('are made value by value where they cannot be made whole', () => {
    expect(piece.rows()).toEqual([['1'], [null], ['x'], ['1']])
    expect(shown(piece.column(0, field.nullable(field.utf8()), of))).toEqual(['1', null, 'x', '1'])
    expect(piece.column(0, field.nullable(field.int32()), of)).toBeUndefined()
    expect(piece.column(0, field.utf8(), of)).toBeUndefined()
  })

  it('know which rows are not null, and others than those before them', () => {
    const keys = cellsOf(['1', '1', '2', null, '2', '22', '2'].map((key) => (key === null ? null : Buffer.from(key))))
    const one = new CellColumns({ length: keys.length, bytes: keys.bytes, starts: keys.starts, ends: keys.ends }, [text])
    expect([1, 2, 3, 4, 5, 6].map((row) => one.differs([0], row))).toEqual([false, true, false, true, true, true])
  })
})
