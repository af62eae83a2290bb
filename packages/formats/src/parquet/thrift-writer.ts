/** A value of Thrift's compact protocol. */
export type ThriftValue =
  | { readonly byte: number }
  | { readonly i32: number }
  | { readonly i64: number | bigint }
  | { readonly bool: boolean }
  | { readonly binary: Uint8Array | string }
  | { readonly struct: ThriftStruct }
  | { readonly list: readonly ThriftValue[] }

/** Fields by their numbers, in ascending order; `undefined` leaves one out. */
export type ThriftStruct = readonly (readonly [id: number, value: ThriftValue | undefined])[]

/** Of an item of a list; a field has its value in its type. */
const BOOL = 1
const BINARY = 8
const STRUCT = 12

const typeOf = (value: ThriftValue): number =>
  'byte' in value ? 3 : 'i32' in value ? 5 : 'i64' in value ? 6 : 'binary' in value ? BINARY : 'list' in value ? 9 : 'struct' in value ? STRUCT : value.bool ? 1 : 2

const varint = (out: number[], value: bigint): void => {
  let left = value
  for (; left > 127n; left >>= 7n) out.push(Number(left & 127n) | 128)
  out.push(Number(left))
}

const zigzag = (out: number[], value: number | bigint): void => {
  const big = BigInt(value)
  varint(out, BigInt.asUintN(64, (big << 1n) ^ (big >> 63n)))
}

const put = (out: number[], value: ThriftValue): void => {
  if ('byte' in value) out.push(value.byte & 255)
  else if ('i32' in value) zigzag(out, value.i32)
  else if ('i64' in value) zigzag(out, value.i64)
  else if ('bool' in value) out.push(value.bool ? 1 : 2)
  else if ('binary' in value) {
    const bytes = typeof value.binary === 'string' ? Buffer.from(value.binary) : value.binary
    varint(out, BigInt(bytes.length))
    for (const byte of bytes) out.push(byte)
  } else if ('struct' in value) putStruct(out, value.struct)
  else if ('list' in value) {
    const { list } = value
    const type = list[0] === undefined ? STRUCT : 'bool' in list[0] ? BOOL : typeOf(list[0])
    if (list.length < 15) out.push((list.length << 4) | type)
    else {
      out.push(0xf0 | type)
      varint(out, BigInt(list.length))
    }
    for (const item of list) put(out, item)
  }
}

const putStruct = (out: number[], fields: ThriftStruct): void => {
  let last = 0
  for (const [id, value] of fields) {
    if (value === undefined) continue
    out.push(((id - last) << 4) | typeOf(value))
    last = id
    if (!('bool' in value)) put(out, value)
  }
  out.push(0)
}

/** A struct in Thrift's compact protocol. @see https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md */
export const thriftStruct = (fields: ThriftStruct): Uint8Array => {
  const out: number[] = []
  putStruct(out, fields)
  return Uint8Array.from(out)
}
