import { describe, expect, it } from 'vitest'
import { isMillraceError } from '../../errors/index.js'
import { decodeTokenFile, tokenFor } from './delegation-token.js'

/** As `hdfs fetchdt` wrote them (Hadoop 3.4.1), shortened: tests on a real HDFS use whole ones. */
const service = '127.0.0.1:44707'
const kind = 'WEBHDFS delegation'
const identifier = Buffer.from('0005616c696365', 'hex')
const password = Buffer.alloc(200, 7)
const short = (bytes: Buffer | string): Buffer => Buffer.concat([Buffer.from([bytes.length]), Buffer.from(bytes)])
const long = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([0x8f, bytes.length]), bytes])
const token = Buffer.concat([short(identifier), long(password), short(kind), short(service)])
const writable = Buffer.concat([Buffer.from('HDTS\0'), Buffer.from([2]), short('other'), Buffer.alloc(4), short(service), token, Buffer.from([0])])

const field = (number: number, bytes: Buffer | string): Buffer => {
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7]
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), Buffer.from(bytes)])
}
const entry = field(1, Buffer.concat([field(1, service), field(2, Buffer.concat([field(1, identifier), field(2, password), field(3, kind), field(4, service)]))]))
const message = Buffer.concat([entry, field(2, 'a secret key')])
const protobuf = Buffer.concat([Buffer.from('HDTS\u0001'), Buffer.from([(message.length & 127) | 128, message.length >> 7]), message])

describe('token files', () => {
  it.each([['writable', writable], ['protobuf', protobuf]])('are read in their %s form', (_, file) => {
    expect(decodeTokenFile(file).filter((found) => found.kind === kind)).toEqual([{ kind, service, encoded: token.toString('base64url') }])
  })

  it.each([['writable', writable.subarray(0, -1)], ['protobuf', protobuf]])('that are cut or damaged are told (%s)', (_, file) => {
    for (let length = 0; length < file.length; length++) {
      expect(() => decodeTokenFile(file.subarray(0, length)), `${length} bytes`).toThrow(expect.objectContaining({ _tag: 'Corrupt', code: 'HADOOP_TOKEN_FILE' }) as Error)
    }
    for (let at = 0; at < file.length; at++) {
      for (const bits of [1, 0x80, 0xff]) {
        const damaged = Uint8Array.from(file)
        damaged[at]! ^= bits
        try {
          decodeTokenFile(damaged)
        } catch (error) {
          if (!isMillraceError(error)) throw error
        }
      }
    }
  })

  it('give a token only to the service that it is made out to', () => {
    const tokens = [
      { kind: 'kms-dt', service: 'mill:9870', encoded: 'a' },
      { kind, service: 'mill:9870', encoded: 'b' },
      { kind: 'HDFS_DELEGATION_TOKEN', service: '10.0.0.1:8020', encoded: 'c' },
      { kind: 'HDFS_DELEGATION_TOKEN', service: 'ha-hdfs:mill', encoded: 'd' },
    ]
    const given = (...services: readonly string[]): string | undefined => tokenFor(tokens, services)?.encoded
    expect(given('mill:9870')).toBe('b')
    expect(given('10.0.0.1:9870')).toBe('c')
    expect(given('ha-hdfs:mill')).toBe('d')
    expect(given('mill:9871')).toBeUndefined()
    expect(given('10.0.0.2:8020')).toBeUndefined()
    expect(given('ha-hdfs:other')).toBeUndefined()
  })
})
