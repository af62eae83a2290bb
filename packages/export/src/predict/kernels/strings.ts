import { BytesColumn, decodeText, fingerprint64, hashBucketOf } from '@millrace/core'
import { allocate } from '../../tensor/dtypes.js'
import { numbersOf, sizeOf, stringColumn, stringData, stringsOf, stringTensor, type HostTensor } from '../../tensor/host-tensor.js'
import { bigintAttr, boolAttr, dtypeAttr, intAttr, stringAttr, type Node } from '../graph/graph.js'
import { inputOf, opError, type Kernel, type KernelTable } from './kernel.js'
import { broadcastShapes, broadcastTo } from './movement.js'

const hashBucketFast: Kernel = (node) => {
  const buckets = bigintAttr(node, 'num_buckets')
  if (buckets < 1n) throw opError(node, `it has ${buckets} buckets`)
  return (inputs) => {
    const input = inputOf(node, inputs, 0)
    const { offsets, bytes, length } = stringsOf(input, node.name)
    const out = new BigInt64Array(length)
    for (let i = 0; i < length; i++) {
      out[i] = buckets < 2n ** 31n
        ? BigInt(hashBucketOf(bytes, offsets[i]!, offsets[i + 1]!, Number(buckets)))
        : fingerprint64(bytes.subarray(offsets[i], offsets[i + 1])) % buckets
    }
    return [{ dtype: 'int64', shape: input.shape, data: out }]
  }
}

/** `%.{digits}f` of C: JavaScript rounds exact halves up, C to even. */
const fixed = (value: number, digits: number): string => {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  if (Math.abs(value) >= 1e21) return `${BigInt(value)}${digits > 0 ? `.${'0'.repeat(digits)}` : ''}`
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const text = Math.abs(value).toFixed(digits)
  const longer = Math.abs(value).toFixed(Math.min(100, digits + 60)).slice(text.length)
  const even = /^\.?50*$/.test(longer) && Number(text[text.length - 1]) % 2 === 1
  return sign + (even ? Math.abs(value).toFixed(digits + 60).slice(0, text.length) : text)
}

/** `AsString` (`core/kernels/as_string_op.cc`): decimal integers, `true` and `false`, floats as `%f`. */
const asString: Kernel = (node) => {
  const type = dtypeAttr(node, 'T')
  const float = type === 'float32' || type === 'float64'
  const precision = intAttr(node, 'precision', -1)
  const width = intAttr(node, 'width', -1)
  const fill = stringAttr(node, 'fill', '')
  if (float && (boolAttr(node, 'scientific', false) || boolAttr(node, 'shortest', false))) throw opError(node, 'it writes floats in scientific or shortest form')
  if (width > 1024 || precision > 40) throw opError(node, `it writes ${Math.max(width, precision)} characters for a value`)
  const pad = (text: string): string => {
    if (text.length >= width) return text
    if (fill === '-') return text.padEnd(width)
    if (fill !== '0') return text.padStart(width)
    return text.startsWith('-') ? `-${text.slice(1).padStart(width - 1, '0')}` : text.padStart(width, '0')
  }
  return (inputs) => {
    const input = inputOf(node, inputs, 0)
    if (input.data instanceof BytesColumn) return [input]
    const texts = Array.from(numbersOf(input, node.name), (value: number | bigint) => {
      if (type === 'bool') return Number(value) === 1 ? 'true' : 'false'
      return pad(float ? fixed(value as number, precision < 0 ? 6 : precision) : String(value))
    })
    return [stringTensor(input.shape, stringData(texts))]
  }
}

/** A result for each string, by its text. */
const mapStrings = (node: Node, input: HostTensor, f: (text: string) => string): HostTensor => {
  const { offsets, bytes, length } = stringsOf(input, node.name)
  return stringTensor(input.shape, stringData(Array.from({ length }, (_, i) => f(decodeText(bytes, offsets[i]!, offsets[i + 1]!)))))
}

/** With no encoding these ops know ASCII only, as C's `tolower` does in TensorFlow. */
const changeCase = (upper: boolean): Kernel => (node) => {
  const utf8 = stringAttr(node, 'encoding', '') === 'utf-8'
  return (inputs) => {
    const input = inputOf(node, inputs, 0)
    if (utf8) return [mapStrings(node, input, (text) => (upper ? text.toUpperCase() : text.toLowerCase()))]
    const { offsets, bytes } = stringsOf(input, node.name)
    const [low, high, by] = upper ? [97, 122, -32] : [65, 90, 32]
    return [stringTensor(input.shape, stringColumn(offsets, bytes.map((byte) => (byte >= low && byte <= high ? byte + by : byte))))]
  }
}

const isSpace = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13)

const strip: Kernel = (node) => (inputs) => {
  const input = inputOf(node, inputs, 0)
  const { offsets, bytes, length } = stringsOf(input, node.name)
  const parts = Array.from({ length }, (_, i) => {
    let [start, end] = [offsets[i]!, offsets[i + 1]!]
    while (start < end && isSpace(bytes[start]!)) start++
    while (end > start && isSpace(bytes[end - 1]!)) end--
    return bytes.subarray(start, end)
  })
  return [stringTensor(input.shape, stringData(parts))]
}

const stringLength: Kernel = (node) => {
  const characters = stringAttr(node, 'unit', 'BYTE') === 'UTF8_CHAR'
  return (inputs) => {
    const input = inputOf(node, inputs, 0)
    const { offsets, bytes, length } = stringsOf(input, node.name)
    const out = new Int32Array(length)
    for (let i = 0; i < length; i++) {
      // Every byte that does not continue a character begins one.
      if (characters) for (let at = offsets[i]!; at < offsets[i + 1]!; at++) out[i]! += (bytes[at]! & 0xc0) === 0x80 ? 0 : 1
      else out[i] = offsets[i + 1]! - offsets[i]!
    }
    return [{ dtype: 'int32', shape: input.shape, data: out }]
  }
}

const concatBytes = (pieces: readonly Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    out.set(piece, at)
    at += piece.length
  }
  return out
}

const join: Kernel = (node) => {
  const separator = new TextEncoder().encode(stringAttr(node, 'separator', ''))
  return (inputs) => {
    const shape = inputs.reduce<readonly number[]>((sum, input) => broadcastShapes(node, sum, input.shape), [])
    const size = sizeOf(shape)
    const columns = inputs.map((input) => stringsOf(broadcastTo(input, shape), node.name))
    const parts = Array.from({ length: size }, (_, i) => concatBytes(columns.flatMap((column, k) => {
      const piece = column.bytes.subarray(column.offsets[i], column.offsets[i + 1])
      return k === 0 ? [piece] : [separator, piece]
    })))
    return [stringTensor(shape, stringData(parts))]
  }
}

/** `strings::safe_strtof` and its kin: surrounding spaces are allowed, anything else that is no number is an error. */
const toNumber: Kernel = (node) => {
  const dtype = dtypeAttr(node, 'out_type', 'float32')
  const integer = dtype === 'int32' || dtype === 'int64'
  return (inputs) => {
    const input = inputOf(node, inputs, 0)
    const { offsets, bytes, length } = stringsOf(input, node.name)
    const out = allocate(dtype, length)
    for (let i = 0; i < length; i++) {
      const text = decodeText(bytes, offsets[i]!, offsets[i + 1]!).trim()
      const known = integer ? /^[+-]?\d+$/.test(text) : /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|^[+-]?(inf(inity)?|nan)$/i.test(text)
      if (!known) throw opError(node, `"${text.slice(0, 40)}" is not a number`)
      if (dtype === 'int64') out[i] = BigInt(text)
      else out[i] = integer ? Number(text) : readFloat(text)
    }
    return [{ dtype, shape: input.shape, data: out }]
  }
}

const readFloat = (text: string): number => {
  const word = /^([+-]?)(inf|nan)/i.exec(text)
  if (word === null) return Number(text)
  return word[2]!.toLowerCase() === 'nan' ? NaN : word[1] === '-' ? -Infinity : Infinity
}

/** Ops on strings, which are bytes in TensorFlow. */
export const stringKernels: KernelTable = {
  StringToHashBucketFast: hashBucketFast,
  AsString: asString,
  StringLower: changeCase(false),
  StringUpper: changeCase(true),
  StringStrip: strip,
  StringLength: stringLength,
  StringJoin: join,
  StringToNumber: toNumber,
}
