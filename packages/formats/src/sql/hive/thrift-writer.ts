import { THRIFT_VERSION, ThriftMessage, ThriftType } from './thrift-types.js'

/** A value with its type, encoded. */
export interface ThriftEncoded {
  readonly type: number
  readonly bytes: Buffer
}

const number = (type: number, size: number, write: (bytes: Buffer) => void): ThriftEncoded => {
  const bytes = Buffer.alloc(size)
  write(bytes)
  return { type, bytes }
}

const sized = (bytes: Uint8Array): Buffer => {
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** Values as Thrift's binary protocol writes them. */
export const encode = {
  bool: (value: boolean): ThriftEncoded => ({ type: ThriftType.bool, bytes: Buffer.of(value ? 1 : 0) }),
  i16: (value: number): ThriftEncoded => number(ThriftType.i16, 2, (bytes) => bytes.writeInt16BE(value)),
  i32: (value: number): ThriftEncoded => number(ThriftType.i32, 4, (bytes) => bytes.writeInt32BE(value)),
  i64: (value: number): ThriftEncoded => number(ThriftType.i64, 8, (bytes) => bytes.writeBigInt64BE(BigInt(value))),
  string: (value: string | Uint8Array): ThriftEncoded => ({ type: ThriftType.string, bytes: sized(typeof value === 'string' ? Buffer.from(value) : value) }),
  /** Fields by their number. */
  struct: (fields: { readonly [id: number]: ThriftEncoded | undefined }): ThriftEncoded => {
    const parts: Buffer[] = []
    for (const [id, value] of Object.entries(fields)) {
      if (value === undefined) continue
      const head = Buffer.alloc(3)
      head.writeUInt8(value.type)
      head.writeInt16BE(Number(id), 1)
      parts.push(head, value.bytes)
    }
    return { type: ThriftType.struct, bytes: Buffer.concat([...parts, Buffer.of(ThriftType.stop)]) }
  },
}

/** A call of a method with one argument. */
export const encodeCall = (method: string, sequence: number, argument: ThriftEncoded): Uint8Array => {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(THRIFT_VERSION + ThriftMessage.call)
  const number = Buffer.alloc(4)
  number.writeInt32BE(sequence)
  return Buffer.concat([head, sized(Buffer.from(method)), number, encode.struct({ 1: argument }).bytes])
}
