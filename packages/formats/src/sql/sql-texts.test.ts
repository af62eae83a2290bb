import { field, hasTag, makeBuilder, type Field } from '@millrace/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseJsonArray } from './json-array.js'
import { parsePostgresArray } from './postgres-array.js'
import { mysqlDialect, postgresDialect } from './sql-dialect.js'
import { partitionConditions, partitionCuts } from './sql-partition.js'
import { resolveServer, type SqlConnection } from './sql-server.js'
import { afterKey, narrow } from './sql-statement.js'
import { inUnit, parseSqlDate, parseSqlInstant, parseSqlMicros, sqlDateText, sqlInstantText } from './sql-time.js'
import type { SqlColumn } from './sql-type.js'
import { sqlAppender } from './sql-values.js'

const id: SqlColumn = { name: 'id', nullable: false, type: { is: 'integer', bits: 64, signed: true, name: 'int8' } }
const at: SqlColumn = { name: 'at', nullable: true, type: { is: 'instant', zoned: true, name: 'timestamptz' } }

describe('times', () => {
  it('are parsed to the microsecond, whatever the offset, the era and the number of digits', () => {
    expect(parseSqlMicros('1970-01-01 00:00:00.000001+00')).toBe(1n)
    expect(parseSqlMicros('1970-01-01 05:45:00+05:45')).toBe(0n)
    expect(parseSqlMicros('1883-11-18 12:03:58-04:56:02')).toBe(BigInt(Date.parse('1883-11-18T17:00:00Z')) * 1000n)
    expect(parseSqlDate('0001-01-01 BC')).toBe(parseSqlDate('0001-01-01') - 366)
    for (const text of ['0000-00-00', '2023-02-29', '2024-13-01', '2024-1-1', '', 'infinity']) expect(() => parseSqlDate(text), text).toThrow()
    for (const text of ['2024-01-01', '2024-01-01 24:00:00', '2024-01-01 00:60:00', '2024-01-01 00:00:00.1234567890', '-infinity']) expect(() => parseSqlMicros(text), text).toThrow()
  })

  it('come back from their texts', () => {
    fc.assert(fc.property(fc.bigInt({ min: -200_000_000_000_000_000n, max: 8_000_000_000_000_000_000n }), (micros) => parseSqlMicros(sqlInstantText(micros)) === micros))
    fc.assert(fc.property(fc.integer({ min: -2_400_000, max: 90_000_000 }), (days) => parseSqlDate(sqlDateText(days)) === days))
  })

  it('are written as a Date writes them, given as numbers or as bigints, and beyond what a Date holds', () => {
    fc.assert(fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (milliseconds) => {
      const due = new Date(milliseconds).toISOString().replace('T', ' ').replace(/\.000Z$/, '').replace(/Z$/, '000')
      expect([sqlInstantText(BigInt(milliseconds) * 1000n), sqlInstantText(BigInt(milliseconds) * 1000n, '+00')]).toEqual([due, `${due}+00`])
      if (Number.isSafeInteger(milliseconds * 1000)) expect(sqlInstantText(milliseconds * 1000)).toBe(due)
      expect(sqlDateText(Math.floor(milliseconds / 86_400_000))).toBe(due.slice(0, 10))
    }))
    expect([sqlDateText(100_000_000), sqlDateText(100_000_001), sqlDateText(-719_163)]).toEqual(['275760-09-13', '275760-09-14', '0001-12-31 BC'])
    expect(sqlInstantText(-62_135_596_800_000_001n, '+00')).toBe('0001-12-31 23:59:59.999999+00 BC')
  })

  it('are the same in the plain form as in a longer one, in every unit, and refused in both', () => {
    const digits = (length: number, max: number) => fc.integer({ min: 0, max }).map((number) => String(number).padStart(length, '0'))
    const fraction = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 9 }).map((all) => `.${all.join('')}`)
    const plain = fc.tuple(
      fc.oneof(digits(4, 9999), digits(4, 200), fc.constantFrom('1600', '1684', '1900', '2000', '2024', '2255', '2O24')), fc.constantFrom('-', '/'), fc.oneof(digits(2, 13), fc.constant('02')), fc.constant('-'),
      fc.oneof(digits(2, 32), fc.constantFrom('28', '29', '30', '31', '1 ')), fc.constantFrom(' ', 'T', '_'), digits(2, 24), fc.constant(':'), digits(2, 60), fc.constant(':'), digits(2, 60), fc.oneof(fraction, fc.constantFrom('', '', '.', '.1a')),
    ).map((parts) => parts.join(''))
    const told = (read: () => bigint): bigint | string => {
      try {
        return read()
      } catch {
        return 'refused'
      }
    }
    let read = 0
    fc.assert(fc.property(plain, (text) => {
      const longer = `${text}+00:00`
      for (const offset of ['', '+00']) {
        if (told(() => parseSqlMicros(text + offset)) !== told(() => parseSqlMicros(longer))) return false
        for (const unit of ['s', 'ms', 'us', 'ns'] as const) {
          const target = field.timestamp({ unit })
          if (told(() => parseSqlInstant(text + offset, 'UTC', target)) !== told(() => parseSqlInstant(longer, 'UTC', target))) return false
        }
      }
      if (told(() => parseSqlMicros(text)) !== 'refused') read++
      return true
    }), { numRuns: 2_000 })
    expect(read).toBeGreaterThan(100)
    for (const text of ['1900-02-29 00:00:00', '2023-02-29 00:00:00', '2024-02-30 00:00:00', '2024-04-31 00:00:00', '2024-00-10 00:00:00', '2024-10-00 00:00:00', '0000-00-00 00:00:00', '2O24-01-01 00:00:00']) expect(() => parseSqlMicros(text), text).toThrow()
    expect(parseSqlMicros('2024-02-29 12:34:56.789')).toBe(BigInt(Date.parse('2024-02-29T12:34:56.789Z')) * 1000n)
    expect(parseSqlInstant('2024-07-01 12:00:00', 'Europe/Berlin', field.timestamp())).toBe(BigInt(Date.parse('2024-07-01T10:00:00Z')))
    expect(parseSqlInstant('2024-07-01 12:00:00+00', 'Europe/Berlin', field.timestamp())).toBe(BigInt(Date.parse('2024-07-01T12:00:00Z')))
  })

  it('are cut towards the past', () => {
    expect([inUnit(-1n, field.timestamp()), inUnit(1999n, field.timestamp()), inUnit(-1n, field.timestamp({ unit: 's' })), inUnit(-1n, field.timestamp({ unit: 'ns' }))]).toEqual([-1n, 1n, -1n, -1000n])
  })
})

describe('arrays in JSON', () => {
  it('give back an item of any length', () => {
    const long = 'x'.repeat(2e7)
    expect(parseJsonArray(`["${long}", null]`)).toEqual([long, null])
  })
})

describe('arrays of PostgreSQL', () => {
  it('give back items of any characters, and never crash on damage', () => {
    const quote = (item: string | null): string => (item === null ? 'NULL' : `"${item.replace(/["\\]/g, '\\$&')}"`)
    fc.assert(fc.property(fc.array(fc.option(fc.string({ unit: 'binary' }))), (items) => {
      expect(parsePostgresArray(`{${items.map(quote).join(',')}}`)).toEqual(items)
    }))
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom('{', '}', ',', '"', '\\', 'a', '[', '=') }), (text) => {
      try {
        return Array.isArray(parsePostgresArray(text))
      } catch (error) {
        return (error as Error).name === 'ConversionError'
      }
    }), { numRuns: 2000 })
    expect(() => parsePostgresArray('{'.repeat(100_000))).toThrow(/is no array/)
  })
})

describe('names', () => {
  it('are quoted, and those that no identifier can be refused', () => {
    expect(postgresDialect.quote('a"b')).toBe('"a""b"')
    expect(mysqlDialect.quote('a`b"')).toBe('`a``b"`')
    for (const name of ['', 'a\0', 'ü'.repeat(32)]) expect(() => postgresDialect.quote(name)).toThrow(/is no name/)
  })
})

describe('statements', () => {
  it('bind keys after the parameters of the query', () => {
    const statement = { sql: 'SELECT * FROM t WHERE x = $1', parameters: ['x'] }
    const { sql, parameters } = narrow(postgresDialect, statement, { orderBy: [id, at], where: afterKey(postgresDialect, [id, at], ['5', '2024-01-01 00:00:00+00']) })
    expect(sql).toMatch(/WHERE "id" >= \$2 AND \("id" > \$3 OR \("id" = \$4 AND "at" > \$5\)\) ORDER BY "id", "at"$/)
    expect(parameters).toEqual(['x', '5', '5', '5', '2024-01-01 00:00:00+00'])
  })

  it('cut ranges that lie beside each other, however far apart the bounds are', () => {
    fc.assert(fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: 0n, max: 2n ** 63n }), fc.integer({ min: 1, max: 50 }), (lower, width, count) => {
      const cuts = partitionCuts(id, { column: 'id', count }, String(lower), String(lower + width)).map(BigInt)
      expect(cuts.length).toBeLessThan(count)
      for (const [i, cut] of cuts.entries()) expect(cut > (cuts[i - 1] ?? lower) && cut <= lower + width).toBe(true)
      expect(partitionConditions(postgresDialect, id, cuts.map(String))).toHaveLength(cuts.length + 1)
    }))
    expect(partitionCuts(at, { column: 'at', count: 2 }, '-infinity', 'infinity')).toHaveLength(1)
    expect(partitionCuts(id, { column: 'id', count: 9 }, null, null)).toEqual([])
  })
})

describe('values', () => {
  const take = (of: Field, type: SqlColumn['type'], value: string | number | Uint8Array): unknown => {
    const builder = makeBuilder(of)
    sqlAppender(of, type)(builder, value)
    return builder.finish().get(0)
  }

  it('of bits and small integers are booleans only when they are 0 or 1', () => {
    const bit = { is: 'bool', name: 'bit(1)' } as const
    expect([take(field.bool(), bit, Uint8Array.of(1)), take(field.bool(), bit, 0), take(field.int8(), bit, 2), take(field.uint64(), { ...id.type, is: 'integer' } as SqlColumn['type'], Uint8Array.of(1, 0))]).toEqual([true, false, 2, 256n])
    expect(() => take(field.bool(), bit, 2)).toThrow(/neither true nor false/)
    expect(() => take(field.binary(), { is: 'bytes', name: 'bytea' }, '\\x0')).toThrow(/hexadecimal/)
  })
})

describe('servers', () => {
  it('are read from URLs, and named without credentials', async () => {
    const found = await resolveServer('postgres://me:p%40ss@[::1]:6543/my%20db?sslmode=no-verify')
    expect(found).toMatchObject({ host: '::1', port: 6543, user: 'me', password: 'p@ss', database: 'my db', tls: { verify: false } })
    expect(found.name).toBe('postgres://::1:6543/my db')
    expect(await resolveServer('mariadb:///x?socket=/run/my.sock')).toMatchObject({ server: 'mysql', socket: '/run/my.sock', name: 'mysql:///run/my.sock/x' })
    expect(await resolveServer('postgres://me:s%2F3@/d?host=/cloudsql/x')).toMatchObject({ host: '/cloudsql/x', user: 'me', password: 's/3', name: 'postgres:///cloudsql/x/d' })
    // A pool's driver takes forms that we do not know: the name alone suffers.
    const pool = (connectionString: string) => resolveServer({ connect: () => undefined, totalCount: 0, options: { connectionString } } as SqlConnection)
    expect(await pool('postgres://me:s%2F3@/d?host=/cloudsql/x')).toMatchObject({ name: 'postgres:///cloudsql/x/d' })
    expect(await pool('socket:/run/postgresql?db=d')).toMatchObject({ server: 'postgres', tls: false })
    const refused = await resolveServer('postgres://me:secret@h/d?sslmode=never').catch((error: unknown) => error)
    expect(hasTag(refused, 'Usage')).toBe(true)
    expect(String(refused)).not.toContain('secret')
  })
})
