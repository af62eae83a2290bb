import type { SqlColumn, SqlType } from './sql-type.js'

/** A column as MySQL's protocol describes it. */
export interface MysqlField {
  readonly name: string
  readonly columnType: number
  readonly flags: number
  readonly columnLength: number
  readonly decimals: number
  readonly characterSet: number
  /** The driver's name of the character set. */
  readonly encoding: string
  /** MariaDB's word for what a text is, where it says it: `json`. */
  readonly extendedFormat?: string | undefined
}

/** @see https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__column__definition__flags.html */
const NOT_NULL = 1
const UNSIGNED = 32
/** The character set of bytes that are no text. */
const BINARY = 63

const decimal = ({ columnLength, decimals }: MysqlField, unsigned: boolean): SqlType => {
  // The length counts the sign and the point.
  const precision = columnLength - (decimals > 0 ? 1 : 0) - (unsigned ? 0 : 1)
  return { is: 'decimal', precision: precision >= 1 && precision <= 38 && decimals <= precision ? precision : undefined, scale: decimals, name: `decimal(${precision},${decimals})` }
}

const typeOf = (field: MysqlField): SqlType => {
  const unsigned = (field.flags & UNSIGNED) !== 0
  const integer = (bits: 8 | 16 | 32 | 64, name: string): SqlType => ({ is: 'integer', bits, signed: !unsigned, name: `${name}${unsigned ? ' unsigned' : ''}` })
  switch (field.columnType) {
    case 0x01:
      // BOOL is tinyint(1); a value that is neither 0 nor 1 is a bad record then, unless the schema makes it an integer.
      return field.columnLength === 1 && !unsigned ? { is: 'bool', name: 'tinyint(1)' } : integer(8, 'tinyint')
    case 0x02:
      return integer(16, 'smallint')
    case 0x03:
      return integer(32, 'int')
    case 0x09:
      return integer(32, 'mediumint')
    case 0x08:
      return integer(64, 'bigint')
    case 0x0d:
      return { is: 'integer', bits: 16, signed: false, name: 'year' }
    case 0x10:
      return field.columnLength === 1 ? { is: 'bool', name: 'bit(1)' } : { is: 'integer', bits: 64, signed: false, name: `bit(${field.columnLength})` }
    case 0x04:
      return { is: 'float', name: 'float' }
    case 0x05:
      return { is: 'double', name: 'double' }
    case 0x00:
    case 0xf6:
      return decimal(field, unsigned)
    case 0x0a:
    case 0x0e:
      return { is: 'date', name: 'date' }
    case 0x0c:
      return { is: 'instant', zoned: false, name: 'datetime' }
    case 0x07:
      return { is: 'instant', zoned: true, name: 'timestamp' }
    case 0x0b:
      return { is: 'other', name: 'time' }
    case 0xf5:
      return { is: 'text', name: 'json' }
    case 0x06:
      return { is: 'other', name: 'null' }
    case 0xff:
      return { is: 'none', name: 'geometry' }
    case 0x0f: case 0xf7: case 0xf8: case 0xf9: case 0xfa: case 0xfb: case 0xfc: case 0xfd: case 0xfe:
      return field.characterSet === BINARY ? { is: 'bytes', name: 'blob' } : { is: 'text', name: 'text' }
    default:
      return { is: 'none', name: `type ${field.columnType}` }
  }
}

/** A column of a result. */
export const mysqlColumn = (field: MysqlField): SqlColumn => ({ name: field.name, type: typeOf(field), nullable: (field.flags & NOT_NULL) === 0 })
