import { failure, fixedColumn, type Column, type Field } from '@millrace/core'
import { bytesOf } from './cells/bytes-cells.js'
import type { CellIndex, CellReader } from './cells/cell-columns.js'
import { validityOf, type Cells } from './cells/cells.js'
import { decimalColumn } from './cells/decimal-cells.js'
import { floatColumn, integerColumn, type Wire } from './cells/number-cells.js'
import type { RawRows } from './cells/row-bytes.js'
import { InstantWriter } from './cells/time-cells.js'
import { sqlDateText, sqlInstantText } from './sql-time.js'

/** Reads a column's values, which the server is asked for as texts, or in the binary form of the type. */
export interface PostgresReader extends CellReader {
  readonly isBinary: boolean
}

/** Days and microseconds from 1970 to 2000, where PostgreSQL begins to count. */
const EPOCH_DAYS = 10_957
const EPOCH_MICROS = 946_684_800_000_000
const DAY_MICROS = 86_400_000_000

const bufferOf = ({ bytes, starts, ends }: Cells, row: number): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset + starts[row]!, ends[row]! - starts[row]!)
const utf8 = (cells: Cells, row: number): string => bufferOf(cells, row).toString()
const inUtc = ({ params: { zone } }: Field): boolean => zone === undefined || zone === 'UTC'

/** Types that have no binary form here come as texts, whose digits and bytes are those of the column. */
const texts: PostgresReader = { isBinary: false, value: utf8, column: (cells, target) => (target.kind === 'utf8' ? bytesOf(cells, target) : undefined) }
const numerics: PostgresReader = { isBinary: false, value: utf8, column: (cells, target) => (target.kind === 'utf8' ? bytesOf(cells, target) : decimalColumn(cells, target)) }

const integers = (bits: Wire['bits'], signed = true): PostgresReader => {
  const wire = { bits, signed, littleEndian: false }
  return { isBinary: true, value: ({ view, starts }, row) => String(integerAt(view, starts[row]!, wire)), column: (cells, target) => integerColumn(cells, wire, target) }
}

const integerAt = (view: DataView, at: number, { bits, signed }: Wire): number | bigint => {
  if (bits === 64) return view.getBigInt64(at)
  if (bits === 32) return signed ? view.getInt32(at) : view.getUint32(at)
  return view.getInt16(at)
}

const bools: PostgresReader = {
  isBinary: true,
  value: ({ bytes, starts }, row) => (bytes[starts[row]!] === 0 ? 'f' : 't'),
  column: (cells, target) => integerColumn(cells, { bits: 8, signed: false, littleEndian: false }, target),
}

const floatText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value))

/** The shortest text that means a single float, as the server writes it. */
const singleText = (value: number): string => {
  for (let digits = 1; digits < 9 && Number.isFinite(value); digits++) {
    const text = Number(value.toPrecision(digits))
    if (Math.fround(text) === value) return floatText(text)
  }
  return floatText(value)
}

// Single floats under float64 are read from their texts, as all values once were: 0.1 is 0.1.
const singles: PostgresReader = {
  isBinary: true,
  value: ({ view, starts }, row) => singleText(view.getFloat32(starts[row]!)),
  column: (cells, target) => (target.kind === 'float32' ? floatColumn(cells, 32, false, target) : undefined),
}
const doubles: PostgresReader = {
  isBinary: true,
  value: ({ view, starts }, row) => floatText(view.getFloat64(starts[row]!)),
  column: (cells, target) => floatColumn(cells, 64, false, target),
}

const byteStrings: PostgresReader = {
  isBinary: true,
  value: (cells, row) => Buffer.from(bufferOf(cells, row)),
  column: (cells, target) => (target.kind === 'binary' ? bytesOf(cells, target) : undefined),
}

/** Days without an end, as the integers farthest from 0. */
const [LEAST_DAYS, MOST_DAYS] = [-2147483648, 2147483647]

const dates: PostgresReader = {
  isBinary: true,
  value: ({ view, starts }, row) => {
    const days = view.getInt32(starts[row]!)
    return days === MOST_DAYS ? 'infinity' : days === LEAST_DAYS ? '-infinity' : sqlDateText(days + EPOCH_DAYS)
  },
  column: (cells, target) => {
    if (target.kind !== 'date' && !(target.kind === 'timestamp' && inUtc(target))) return undefined
    const { view, starts, length } = cells
    const days = target.kind === 'date' ? new Int32Array(length) : undefined
    const writer = days === undefined ? new InstantWriter(target, length) : undefined
    for (let row = 0; row < length; row++) {
      const at = starts[row]!
      if (at < 0) continue
      const value = view.getInt32(at)
      if (value === MOST_DAYS || value === LEAST_DAYS) return undefined
      const day = value + EPOCH_DAYS
      if (days !== undefined) days[row] = day
      else if (!writer!.put(row, inMicros(day * DAY_MICROS) ?? BigInt(day) * BigInt(DAY_MICROS))) return undefined
    }
    return fixedColumn(target, days ?? writer!.values, validityOf(cells))
  },
}

const inMicros = (micros: number): number | undefined => (Number.isSafeInteger(micros) ? micros : undefined)

/** Instants without an end. */
const [LEAST_MICROS, MOST_MICROS] = [-(2n ** 63n), 2n ** 63n - 1n]
const TWO_32 = 4294967296

/** Microseconds since 1970 of a value; `undefined` for infinity. */
const microsAt = (view: DataView, at: number): number | bigint | undefined => {
  const micros = view.getInt32(at) * TWO_32 + view.getUint32(at + 4) + EPOCH_MICROS
  // Also where the sum was rounded on its way: no safe integer comes of that.
  if (Number.isSafeInteger(micros)) return micros
  const value = view.getBigInt64(at)
  return value === LEAST_MICROS || value === MOST_MICROS ? undefined : value + BigInt(EPOCH_MICROS)
}

const instants = (isZoned: boolean): PostgresReader => ({
  isBinary: true,
  value: ({ view, starts }, row) => {
    const at = starts[row]!
    const micros = microsAt(view, at)
    return micros === undefined ? (view.getInt8(at) < 0 ? '-infinity' : 'infinity') : instantText(micros, isZoned)
  },
  column: (cells, target) => (isZoned || inUtc(target) ? instantColumn(cells, target) : undefined),
})

/** As the server writes it: without zeros at a fraction's end. */
const instantText = (micros: bigint | number, isZoned: boolean): string => sqlInstantText(micros, isZoned ? '+00' : '').replace(/(\.\d*?)0+(?=\+|$| )/, '$1')

const instantColumn = (cells: Cells, target: Field): Column | undefined => {
  if (target.kind !== 'timestamp') return undefined
  const { view, starts, length } = cells
  const writer = new InstantWriter(target, length)
  for (let row = 0; row < length; row++) {
    const at = starts[row]!
    if (at < 0) continue
    const micros = microsAt(view, at)
    if (micros === undefined || !writer.put(row, micros)) return undefined
  }
  return fixedColumn(target, writer.values, validityOf(cells))
}

/** By the types' object identifiers. @see pg_type.dat in PostgreSQL's source */
const readers: { readonly [oid: number]: PostgresReader } = {
  16: bools, 17: byteStrings, 20: integers(64), 21: integers(16), 23: integers(32), 26: integers(32, false), 700: singles, 701: doubles, 1700: numerics,
  1082: dates, 1114: instants(false), 1184: instants(true),
}

/** How a type's values are asked for and read. */
export const postgresReader = (oid: number): PostgresReader => readers[oid] ?? texts

/** Finds the values of rows: a number of columns, and for each its length, -1 of a null, and its bytes. @throws `Corrupt` for rows that do not fit their columns */
export const indexPostgresRows = ({ bytes, starts: rowStarts, ends: rowEnds }: RawRows, columns: number): CellIndex => {
  const length = rowStarts.length
  const index = { length, bytes, starts: new Int32Array(length * columns), ends: new Int32Array(length * columns) }
  const { starts, ends } = index
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let row = 0; row < length; row++) {
    let at = rowStarts[row]! + 2
    const rowEnd = rowEnds[row]!
    for (let column = 0; column < columns; column++) {
      if (at + 4 > rowEnd) throw misfit()
      const size = view.getInt32(at)
      at += 4
      const cell = column * length + row
      if (size < 0) {
        starts[cell] = -1
        continue
      }
      starts[cell] = at
      at += size
      ends[cell] = at
    }
    if (at !== rowEnd) throw misfit()
  }
  return index
}

const misfit = (): Error =>
  failure({ tag: 'Corrupt', code: 'SQL_ROW', problem: 'a row that the server sent does not fit its columns', remedy: 'Something between here and the server changes what it sends, or the server is none that we know.' })
