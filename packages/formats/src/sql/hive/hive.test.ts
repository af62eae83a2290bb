import { field, hasTag, type Field } from '@millrace/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseJsonArray } from '../json-array.js'
import type { SqlType } from '../sql-type.js'
import { hiveColumnOf } from './hive-columns.js'
import { hiveLiteral, hiveText } from './hive-literals.js'
import { hivePiece, isNull, rowsOf } from './hive-rows.js'
import { resolveHive } from './hive-server.js'
import { sparkType } from './hive-types.js'
import { decodeReply } from './thrift-reader.js'
import { ThriftScanner } from './thrift-scanner.js'
import { MAX_DEPTH, ThriftType } from './thrift-types.js'
import { encode, type ThriftEncoded } from './thrift-writer.js'

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** A list of values that are encoded already. */
const list = (type: number, values: readonly Buffer[]): ThriftEncoded => ({ type: ThriftType.list, bytes: Buffer.concat([Buffer.of(type), int32(values.length), ...values]) })

const reply = (body: ThriftEncoded, method = 'FetchResults', sequence = 1, kind = 2): Buffer =>
  Buffer.concat([Buffer.of(0x80, 1, 0, kind), int32(method.length), Buffer.from(method), int32(sequence), encode.struct({ 0: body }).bytes])

/** A column of a TRowSet: the field of its union, the type of its list, its values, and the bitmap of its nulls. */
const column = (field: number, type: number, values: readonly Buffer[], nulls: readonly number[]): Buffer =>
  encode.struct({ [field]: encode.struct({ 1: list(type, values), 2: encode.string(Buffer.from(nulls)) }) }).bytes

const rowSet = (columns: readonly Buffer[]): ThriftEncoded => encode.struct({ 1: encode.i64(0), 2: list(ThriftType.struct, []), 3: list(ThriftType.struct, columns) })

const texts = ['', 'a', 'ü€😀', 'x'.repeat(100)]
const long = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return bytes
}
const columns = [
  column(1, ThriftType.bool, [1, 0, 1, 0].map((value) => Buffer.of(value)), [0b0010]),
  column(2, ThriftType.byte, [1, 255, 127, 128].map((value) => Buffer.of(value)), []),
  column(3, ThriftType.i16, [1, -2, 3, -4].map((value) => encode.i16(value).bytes), [0]),
  column(4, ThriftType.i32, [1, -2, 2 ** 31 - 1, -(2 ** 31)].map(int32), [0b1000]),
  column(5, ThriftType.i64, [1n, -2n, 2n ** 63n - 1n, -(2n ** 63n)].map(long), [0]),
  column(6, ThriftType.double, [0.1, -0, Infinity, 5e-324].map((value) => {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleBE(value)
    return bytes
  }), [0, 0, 0]),
  column(7, ThriftType.string, texts.map((text) => encode.string(text).bytes), [0b0001]),
  column(8, ThriftType.string, texts.map((text) => encode.string(text).bytes), [0]),
]
const fetched = reply(encode.struct({ 1: encode.struct({ 1: encode.i32(0) }), 2: encode.bool(false), 3: rowSet(columns) }))
const rows = [
  [1, 1, 1, 1, 1n, 0.1, null, new Uint8Array(0)],
  [null, -1, -2, -2, -2n, -0, 'a', new Uint8Array([97])],
  [1, 127, 3, 2 ** 31 - 1, 2n ** 63n - 1n, Infinity, 'ü€😀', new Uint8Array(Buffer.from('ü€😀'))],
  [0, -128, -4, null, -(2n ** 63n), 5e-324, 'x'.repeat(100), new Uint8Array(100).fill(120)],
]

describe('results', () => {
  it('are decoded column by column', () => {
    const piece = hivePiece(decodeReply(fetched, 'FetchResults', 1).struct(3), columns.length)
    expect(rowsOf(piece)).toEqual(rows)
    expect(isNull(piece.columns[6]!, 0)).toBe(true)
    // Bitmaps may end before the rows do.
    expect(isNull(piece.columns[1]!, 3)).toBe(false)
  })

  it('are columns without a detour, or value by value, or not at all where one does not fit', () => {
    const { columns: found } = hivePiece(decodeReply(fetched, 'FetchResults', 1).struct(3), columns.length)
    const text: SqlType = { is: 'text', name: 'string' }
    const integer: SqlType = { is: 'integer', bits: 64, signed: true, name: 'bigint' }
    const taken = (index: number, target: Field, type: SqlType): readonly unknown[] | undefined => {
      const column = hiveColumnOf(found[index]!, field.nullable(target), type)
      return column === undefined ? undefined : Array.from({ length: 4 }, (_, row) => column.get(row))
    }
    expect(taken(0, field.bool(), { is: 'bool', name: 'boolean' })).toEqual([true, null, true, false])
    expect(taken(1, field.int8(), integer)).toEqual([1, -1, 127, -128])
    expect(taken(3, field.int32(), integer)).toEqual([1, -2, 2 ** 31 - 1, null])
    expect(taken(3, field.int64(), integer)).toEqual([1n, -2n, 2147483647n, null])
    expect(taken(4, field.int64(), integer)).toEqual([1n, -2n, 2n ** 63n - 1n, -(2n ** 63n)])
    expect(taken(4, field.int32(), integer)).toBeUndefined()
    expect(taken(5, field.float32(), { is: 'float', name: 'float' })).toEqual([Math.fround(0.1), -0, Infinity, 0])
    expect(taken(6, field.utf8(), text)).toEqual([null, 'a', 'ü€😀', 'x'.repeat(100)])
    expect(taken(6, field.dictionary(), text)).toEqual([null, 'a', 'ü€😀', 'x'.repeat(100)])
    expect(taken(6, field.int32(), text)).toBeUndefined()
    expect(hiveColumnOf(found[6]!, field.utf8(), text)).toBeUndefined()
    // What stands in the place of a null is ours: zero.
    const nulls = reply(encode.struct({ 3: rowSet([column(5, ThriftType.i64, [long(7n), long(8n)], [0b01])]) }))
    const [longs] = hivePiece(decodeReply(nulls, 'FetchResults', 1).struct(3), 1).columns
    const column64 = hiveColumnOf(longs!, field.nullable(field.int64()), integer) as unknown as { readonly values: BigInt64Array }
    expect([...column64.values]).toEqual([0n, 8n])
  })

  it('that are damaged are errors of ours, at any byte and any length', () => {
    const attempt = (bytes: Buffer): void => {
      try {
        rowsOf(hivePiece(decodeReply(bytes, 'FetchResults', 1).struct(3), columns.length))
      } catch (error) {
        if (!hasTag(error, 'Corrupt', 'Engine')) throw error
      }
    }
    for (let length = 0; length < fetched.length; length++) attempt(fetched.subarray(0, length))
    const damage = fc.array(fc.tuple(fc.nat(fetched.length - 1), fc.constantFrom(0, 1, 11, 12, 15, 127, 128, 255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(damage, (changes) => {
        const bytes = Buffer.from(fetched)
        for (const [at, value] of changes) bytes[at] = value
        attempt(bytes)
      }),
      { numRuns: 3000 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => attempt(Buffer.concat([fetched.subarray(0, 40), noise]))))
  })

  it('claim no sizes, depths or numbers of structures beyond bounds', () => {
    const refused = (bytes: Buffer, problem: RegExp): void => expect(() => decodeReply(bytes, 'FetchResults', 1)).toThrow(problem)
    const huge = (type: number): ThriftEncoded => ({ type: ThriftType.list, bytes: Buffer.concat([Buffer.of(type), int32(2 ** 31 - 1)]) })
    for (const type of [ThriftType.bool, ThriftType.i64, ThriftType.string, ThriftType.struct]) refused(reply(huge(type)), /claims a size/)
    refused(reply({ type: ThriftType.map, bytes: Buffer.concat([Buffer.of(8, 8), int32(2 ** 30)]) }), /claims a size/)
    refused(reply({ type: ThriftType.string, bytes: int32(-1) }), /claims a size/)
    let deep = encode.struct({})
    for (let depth = 0; depth < MAX_DEPTH + 2; depth++) deep = encode.struct({ 1: deep })
    refused(reply(deep), /nested too deep/)
    refused(reply(list(ThriftType.struct, Array.from({ length: 250_000 }, () => Buffer.of(0)))), /more than 200000 structures/)
    refused(Buffer.concat([fetched, Buffer.of(0)]), /bytes follow/)
    refused(Buffer.from('HTTP/1.1 400 Bad Request\r\n'), /another protocol/)
    refused(reply(encode.struct({}), 'Other'), /does not answer/)
    refused(reply(encode.struct({}), 'FetchResults', 2), /does not answer/)
    expect(() => hivePiece(decodeReply(reply(encode.struct({ 3: rowSet(columns.slice(1)) })), 'FetchResults', 1).struct(3), columns.length)).toThrow(/7 columns/)
    expect(() => hivePiece(decodeReply(reply(encode.struct({ 3: rowSet([column(4, ThriftType.i64, [long(1n)], [])]) })), 'FetchResults', 1).struct(3), 1)).toThrow(/values of type 10/)
    expect(() => hivePiece(decodeReply(reply(encode.struct({ 3: rowSet([columns[0]!, column(4, ThriftType.i32, [int32(1)], [])]) })), 'FetchResults', 1).struct(3), 2)).toThrow(/different lengths/)
  })

  it('end where a scan of them says, however they arrive', () => {
    const whole = Buffer.concat([fetched, fetched])
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 40 }), (pieces) => {
        const scanner = new ThriftScanner()
        let length = 0
        for (let i = 0; ; i++) {
          length = Math.min(whole.length, length + pieces[i % pieces.length]!)
          const end = scanner.scan(whole.subarray(0, length))
          if (end !== undefined) return end === fetched.length
          if (length >= fetched.length) return false
        }
      }),
    )
    const damage = fc.tuple(fc.nat(fetched.length - 1), fc.nat(255))
    fc.assert(
      fc.property(damage, ([at, value]) => {
        const bytes = Buffer.from(fetched)
        bytes[at] = value
        try {
          const end = new ThriftScanner().scan(bytes)
          return end === undefined || end <= bytes.length
        } catch (error) {
          return hasTag(error, 'Corrupt')
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('parameters', () => {
  it('are literals of plain characters only', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (value) => /^(?:'[\w .,:+-]*'|CAST\(unhex\('[\da-f]*'\) AS STRING\))$/.test(hiveLiteral(value))))
    expect([hiveLiteral('it\'s'), hiveLiteral(-0), hiveLiteral(2n ** 64n), hiveLiteral(new Date(0)), hiveLiteral(new Uint8Array([255]))]).toEqual([
      "CAST(unhex('69742773') AS STRING)", "CAST('-0.0' AS DOUBLE)", "CAST('18446744073709551616' AS DECIMAL(38,0))", "CAST('1970-01-01 00:00:00' AS TIMESTAMP)", "unhex('ff')",
    ])
    for (const value of [10n ** 38n, new Date(NaN), '\ud800', [1]] as const) expect(() => hiveLiteral(value)).toThrow(/value of Hive|instant|arrays/)
  })

  it('take the places of question marks that are in no quotation and no comment', () => {
    const of = (sql: string, ...parameters: (string | number)[]): string => hiveText({ sql, parameters })
    expect(of('SELECT ?, \'?\\\'?\', "?", `?` -- ?\n, ? /* ? */ FROM t', 'a', 'b')).toBe('SELECT \'a\', \'?\\\'?\', "?", `?` -- ?\n, \'b\' /* ? */ FROM t')
    expect(of('SELECT a - ? / ?', 'x', 'y')).toBe('SELECT a - \'x\' / \'y\'')
    for (const sql of ['SELECT ?', 'SELECT ?, ?, ?']) expect(() => of(sql, 'a', 'b')).toThrow(/question marks for 2/)
    for (const sql of ['SELECT ?, \'open', 'SELECT ? /* a /* b */', 'SELECT ?, r\'\\\'', 'SELECT ? /* open', 'SELECT ? `']) expect(() => of(sql, 'a')).toThrow(/does not end|raw text|another one/)
  })
})

describe('arrays in JSON', () => {
  it('give back their items', () => {
    expect(parseJsonArray('[1,null,"a\\"b\\\\",true,-1.50e3,9007199254740993, "NaN"]')).toEqual(['1', null, 'a"b\\', 't', '-1.50e3', '9007199254740993', 'NaN'])
    expect(parseJsonArray(' [ ] ')).toEqual([])
    fc.assert(fc.property(fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.constant(null))), (items) => {
      expect(parseJsonArray(JSON.stringify(items))).toEqual(items)
    }))
    for (const text of ['', '[', '[1', '[1,]', '[1]x', '[[1]]', '[{}]', '["a]', '["\\x"]', '1']) expect(() => parseJsonArray(text), text).toThrow(/no array/)
  })
})

describe('connections', () => {
  it('are read from URLs, and named without credentials', () => {
    expect(resolveHive('hive://u:p%40ss@db.example/flights')).toMatchObject({ host: 'db.example', port: 10000, user: 'u', password: 'p@ss', database: 'flights', transport: 'binary', auth: 'plain', tls: false, name: 'hive://db.example:10000/flights' })
    expect(resolveHive('hive+https://u@gate:8443/gateway/hive?database=d')).toMatchObject({ port: 8443, path: 'gateway/hive', database: 'd', transport: 'http', tls: {}, name: 'hive+https://gate:8443/gateway/hive?database=d' })
    expect(resolveHive('hive://[::1]:1/?auth=NOSASL&tls=true')).toMatchObject({ host: '::1', auth: 'nosasl', tls: {}, database: undefined, name: 'hive://[::1]:1' })
    expect(resolveHive('hive://h/?auth=KERBEROS')).toMatchObject({ auth: 'kerberos', service: 'hive@h' })
    expect(resolveHive('hive://h/?auth=kerberos&principal=hs2/_HOST@EXAMPLE.COM').service).toBe('hs2@h')
    expect(resolveHive({ host: 'h', auth: 'kerberos', principal: 'hive/other.example@EXAMPLE.COM' }).service).toBe('hive@other.example')
    expect(resolveHive('hive+http://h/?auth=kerberos&principal=HTTP/_HOST')).toMatchObject({ transport: 'http', auth: 'kerberos', service: 'HTTP@h' })
    expect(() => resolveHive({ host: 'h', auth: 'kerberos', principal: 'a/b/c' })).toThrow(/principal/)
    for (const url of ['hive:///d', 'mysql://h', 'hive://u:hidden%zz@h', 'hive://h?sasl=1', 'hive://h?auth=x', 'nothing']) expect(() => resolveHive(url)).toThrow(/^(?!.*hidden)the URL/)
    for (const settings of [{ 'a;b': '1' }, { a: '1; DROP TABLE t' }, { a: '1\n2' }]) expect(() => resolveHive({ host: 'h', settings })).toThrow(/SET/)
  })
})

describe('types of Spark', () => {
  it('are read from their names', () => {
    expect(['array<decimal(10,2)>', 'array<array<int>>', 'map<string,int>', 'varchar(5)', 'string collate UTF8_LCASE', 'interval day', 'array<timestamp>'].map((text) => sparkType(text)?.is)).toEqual(['list', 'json', 'json', 'text', 'text', undefined, 'json'])
  })
})
