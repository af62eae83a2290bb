/**
 * Keys under which a checkpoint keeps the slices of a partitioned tensor: `checkpoint::EncodeTensorNameSlice`
 * (`tensorflow/core/util/saved_tensor_slice_util.cc`) in TensorFlow's `OrderedCode` (`tsl/lib/strings/ordered_code.cc`).
 */

/** A part of a tensor: for each dimension where it starts and how long it is; a length of -1 means the whole dimension. */
export interface TensorSlice {
  readonly extents: readonly { readonly start: number; readonly length: number }[]
}

const lengthMarks: readonly (readonly [number, number])[] = [
  [0, 0], [0x80, 0], [0xc0, 0], [0xe0, 0], [0xf0, 0], [0xf8, 0], [0xfc, 0], [0xfe, 0], [0xff, 0], [0xff, 0x80], [0xff, 0xc0],
]

const bigEndian = (value: bigint): number[] => {
  const bytes: number[] = []
  for (let shift = 56n; shift >= 0n; shift -= 8n) bytes.push(Number((value >> shift) & 255n))
  return bytes
}

/** Unsigned: a length byte, then the bytes without leading zeros. */
const pushNumber = (out: number[], value: number): void => {
  const bytes = bigEndian(BigInt(value))
  while (bytes.length > 0 && bytes[0] === 0) bytes.shift()
  out.push(bytes.length, ...bytes)
}

/** Signed: big-endian with a unary length in the first bits; seven bits of value a byte. */
const pushSigned = (out: number[], value: number): void => {
  const bits = BigInt(value)
  const magnitude = bits < 0n ? ~bits : bits
  const length = Math.floor(magnitude.toString(2).length / 7) + 1
  const sign = bits < 0n ? 255 : 0
  const bytes = [sign, sign, ...bigEndian(BigInt.asUintN(64, bits))].slice(10 - (magnitude < 64n ? 1 : length))
  const marks = lengthMarks[bytes.length]!
  bytes[0]! ^= marks[0]
  if (bytes.length > 1) bytes[1]! ^= marks[1]
  out.push(...bytes)
}

/** Escaped so that order is kept, ended by 00 01. */
const pushString = (out: number[], text: string): void => {
  for (const byte of new TextEncoder().encode(text)) {
    if (byte === 0) out.push(0, 255)
    else if (byte === 255) out.push(255, 0)
    else out.push(byte)
  }
  out.push(0, 1)
}

/** The key of a slice of the tensor `name`. */
export const sliceKey = (name: string, slice: TensorSlice): Uint8Array => {
  const out: number[] = []
  pushNumber(out, 0)
  pushString(out, name)
  pushNumber(out, slice.extents.length)
  for (const { start, length } of slice.extents) {
    pushSigned(out, start)
    pushSigned(out, length)
  }
  return Uint8Array.from(out)
}
