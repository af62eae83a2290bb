import { failure, fixedColumn, type Column, type Field } from '@millrace/core'
import { bytesOf } from './cells/bytes-cells.js'
import type { CellIndex, CellReader } from './cells/cell-columns.js'
import { validityOf, type Cells } from './cells/cells.js'
import { decimalColumn } from './cells/decimal-cells.js'
import { floatColumn, integerColumn, type Wire } from './cells/number-cells.js'
import type { RawRows } from './cells/row-bytes.js'
import { daysOf, InstantWriter } from './cells/time-cells.js'
import type { MysqlField } from './mysql-types.js'

/**
 * Rows of the binary protocol, read without the driver: a byte 0, a bitmap of nulls that begins at its third bit, and the values.
 *
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html
 */

/** Sizes of values that say theirs themselves: by a length-encoded integer, or by one byte. */
const [BY_LENGTH, BY_BYTE] = [0, -1]

/** A reader, and how many bytes a value has. */
export interface MysqlReader extends CellReader {
  readonly size: number
}

const UNSIGNED = 32
const BINARY = 63

/** Reads a column's values; `undefined` for types that are left to the driver. */
export const mysqlReader = (field: MysqlField): MysqlReader | undefined => {
  const signed = (field.flags & UNSIGNED) === 0
  switch (field.columnType) {
    case 0x01:
      return integers(8, signed)
    case 0x02:
      return integers(16, signed)
    case 0x0d:
      return integers(16, false)
    case 0x03: case 0x09:
      return integers(32, signed)
    case 0x08:
      return integers(64, signed)
    case 0x04:
      return floats(32)
    case 0x05:
      return floats(64)
    case 0x00: case 0xf6:
      return { size: BY_LENGTH, value: latin1, column: decimalColumn }
    case 0x0a: case 0x0e:
      return { size: BY_BYTE, value: timeText(field), column: dateColumn }
    case 0x0c:
      return { size: BY_BYTE, value: timeText(field), column: (cells, target) => (inUtc(target) ? instantColumn(cells, target) : undefined) }
    case 0x07:
      return { size: BY_BYTE, value: timeText(field), column: instantColumn }
    case 0x0b:
      return { size: BY_BYTE, value: clockText, column: () => undefined }
    case 0x06:
      return { size: 0, value: () => null, column: () => undefined }
    case 0x0f: case 0x10: case 0xf5: case 0xf7: case 0xf8: case 0xf9: case 0xfa: case 0xfb: case 0xfc: case 0xfd: case 0xfe:
      return textOrBytes(field)
    default:
      return undefined
  }
}

const integers = (bits: Wire['bits'], signed: boolean): MysqlReader => {
  const wire = { bits, signed, littleEndian: true }
  return { size: bits / 8, value: ({ view, starts }, row) => integerAt(view, starts[row]!, wire), column: (cells, target) => integerColumn(cells, wire, target) }
}

const integerAt = (view: DataView, at: number, { bits, signed }: Wire): number | string => {
  if (bits === 64) return String(signed ? view.getBigInt64(at, true) : view.getBigUint64(at, true))
  if (bits === 32) return signed ? view.getInt32(at, true) : view.getUint32(at, true)
  if (bits === 16) return signed ? view.getInt16(at, true) : view.getUint16(at, true)
  return signed ? view.getInt8(at) : view.getUint8(at)
}

const floats = (bits: 32 | 64): MysqlReader => ({
  size: bits / 8,
  value: ({ view, starts }, row) => (bits === 32 ? view.getFloat32(starts[row]!, true) : view.getFloat64(starts[row]!, true)),
  column: (cells, target) => floatColumn(cells, bits, true, target),
})

/** Texts must be in the connection's UTF-8; the driver converts those of other character sets. */
const textOrBytes = ({ columnType, characterSet, encoding, extendedFormat }: MysqlField): MysqlReader | undefined => {
  const isJson = columnType === 0xf5
  const isBytes = characterSet === BINARY && !isJson
  if (isBytes ? extendedFormat === 'json' : !isJson && encoding !== 'utf8') return undefined
  const kind = isBytes ? 'binary' : 'utf8'
  return { size: BY_LENGTH, value: isBytes ? copied : utf8, column: (cells, target) => (target.kind === kind ? bytesOf(cells, target) : undefined) }
}

const bufferOf = ({ bytes, starts, ends }: Cells, row: number): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset + starts[row]!, ends[row]! - starts[row]!)
const latin1 = (cells: Cells, row: number): string => bufferOf(cells, row).toString('latin1')
const utf8 = (cells: Cells, row: number): string => bufferOf(cells, row).toString()
const copied = (cells: Cells, row: number): Uint8Array => Buffer.from(bufferOf(cells, row))

const inUtc = ({ params: { zone } }: Field): boolean => zone === undefined || zone === 'UTC'

const padded = (value: number, digits: number): string => String(value).padStart(digits, '0')

/** Texts of dates and instants, as the driver writes them. */
const timeText =
  ({ columnType, decimals }: MysqlField) =>
  ({ view, starts, ends }: Cells, row: number): string => {
    const at = starts[row]!
    const size = ends[row]! - at
    const date = size < 4 ? '0000-00-00' : `${padded(view.getUint16(at, true), 4)}-${padded(view.getUint8(at + 2), 2)}-${padded(view.getUint8(at + 3), 2)}`
    const hasClock = columnType === 0x0c || columnType === 0x07
    const clock = size > 6 ? ` ${[4, 5, 6].map((place) => padded(view.getUint8(at + place), 2)).join(':')}` : hasClock ? ' 00:00:00' : ''
    return date + clock + (size > 10 ? `.${padded(view.getUint32(at + 7, true), 6).slice(0, decimals || 6)}` : '')
  }

/** Texts of times of the day, and of spans of up to 838 hours, as the driver writes them. */
const clockText = ({ view, starts, ends }: Cells, row: number): string => {
  const at = starts[row]!
  const size = ends[row]! - at
  if (size < 8) return '00:00:00'
  const sign = view.getUint8(at) === 0 ? '' : '-'
  const hours = view.getUint32(at + 1, true) * 24 + view.getUint8(at + 5)
  const micros = size > 8 ? view.getUint32(at + 8, true) : 0
  const fraction = micros === 0 ? '' : `.${padded(micros, 6)}`.replace(/0+$/, '')
  return `${sign}${padded(hours, 2)}:${padded(view.getUint8(at + 6), 2)}:${padded(view.getUint8(at + 7), 2)}${fraction}`
}

/** Days of a value; NaN for one that is none of the calendar. */
const daysAt = (view: DataView, at: number, size: number): number => (size < 4 ? NaN : daysOf(view.getUint16(at, true), view.getUint8(at + 2), view.getUint8(at + 3)))

const dateColumn = (cells: Cells, target: Field): Column | undefined => {
  if (target.kind === 'timestamp') return inUtc(target) ? instantColumn(cells, target) : undefined
  if (target.kind !== 'date') return undefined
  const { view, starts, ends, length } = cells
  const values = new Int32Array(length)
  for (let row = 0; row < length; row++) {
    const at = starts[row]!
    if (at < 0) continue
    const days = daysAt(view, at, ends[row]! - at)
    if (Number.isNaN(days)) return undefined
    values[row] = days
  }
  return fixedColumn(target, values, validityOf(cells))
}

const DAY_MICROS = 86_400_000_000

const instantColumn = (cells: Cells, target: Field): Column | undefined => {
  if (target.kind !== 'timestamp') return undefined
  const { view, starts, ends, length } = cells
  const writer = new InstantWriter(target, length)
  for (let row = 0; row < length; row++) {
    const at = starts[row]!
    if (at < 0) continue
    const size = ends[row]! - at
    const days = daysAt(view, at, size)
    if (Number.isNaN(days)) return undefined
    const ofDay = microsOfDay(view, at, size)
    const micros = days * DAY_MICROS + ofDay
    if (!writer.put(row, Number.isSafeInteger(micros) ? micros : BigInt(days) * BigInt(DAY_MICROS) + BigInt(ofDay))) return undefined
  }
  return fixedColumn(target, writer.values, validityOf(cells))
}

const microsOfDay = (view: DataView, at: number, size: number): number => {
  if (size < 7) return 0
  const seconds = view.getUint8(at + 4) * 3600 + view.getUint8(at + 5) * 60 + view.getUint8(at + 6)
  return seconds * 1_000_000 + (size < 11 ? 0 : view.getUint32(at + 7, true))
}

/** Finds the values of rows. @throws `Corrupt` for rows that do not fit their columns */
export const indexMysqlRows = ({ bytes, starts: rowStarts, ends: rowEnds }: RawRows, readers: readonly MysqlReader[]): CellIndex => {
  const length = rowStarts.length
  const columns = readers.length
  const sizes = Int8Array.from(readers, ({ size }) => size)
  const index = { length, bytes, starts: new Int32Array(length * columns), ends: new Int32Array(length * columns) }
  const { starts, ends } = index
  const nullBytes = (columns + 7 + 2) >> 3
  for (let row = 0; row < length; row++) {
    const nulls = rowStarts[row]! + 1
    const rowEnd = rowEnds[row]!
    let at = nulls + nullBytes
    for (let column = 0; column < columns; column++) {
      const cell = column * length + row
      const bit = column + 2
      if (((bytes[nulls + (bit >> 3)]! >> (bit & 7)) & 1) === 1) {
        starts[cell] = -1
        continue
      }
      let size = sizes[column]!
      if (size === BY_BYTE) size = bytes[at++]!
      else if (size === BY_LENGTH) {
        size = bytes[at++]!
        if (size >= 251) {
          const more = size === 252 ? 2 : size === 253 ? 3 : 8
          size = readLength(bytes, at, more)
          at += more
        }
      }
      starts[cell] = at
      at += size
      ends[cell] = at
      // Also for what is no number: bytes beyond the end.
      if (!(at <= rowEnd)) throw misfit()
    }
    if (at !== rowEnd) throw misfit()
  }
  return index
}

const readLength = (bytes: Uint8Array, at: number, size: number): number => {
  let value = 0
  for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!
  return value
}

const misfit = (): Error =>
  failure({ tag: 'Corrupt', code: 'SQL_ROW', problem: 'a row that the server sent does not fit its columns', remedy: 'Something between here and the server changes what it sends, or the server is none that we know.' })
