import { BoolColumn, BytesColumn, DecimalColumn, failure, FixedColumn, halves, type Column, type Field } from '@millrace/core'
import type { ThriftStruct, ThriftValue } from './thrift-writer.js'

/** How a kind of column is stored. @see https://github.com/apache/parquet-format/blob/master/LogicalTypes.md */
export interface LeafForm {
  /** Number of the physical type. */
  readonly type: number
  readonly width?: number
  readonly converted?: number
  readonly logical?: ThriftStruct
  readonly decimal?: { readonly precision: number; readonly scale: number }
}

const physical = { bool: 0, int32: 1, int64: 2, float: 4, double: 5, bytes: 6, fixed: 7 } as const

const empty: ThriftValue = { struct: [] }

const integerForm = (bits: number, signed: boolean): LeafForm => ({
  type: bits === 64 ? physical.int64 : physical.int32,
  converted: (signed ? 15 : 11) + Math.log2(bits / 8),
  logical: [[10, { struct: [[1, { byte: bits }], [2, { bool: signed }]] }]],
})

const timeUnits: { readonly [unit: string]: number } = { s: 1, ms: 1, us: 2, ns: 3 }

/** Decimals of up to 9 digits take 32 bits, of up to 18 digits 64: engines read those fastest, and some no others. */
const decimalForm = (precision: number, scale: number): LeafForm => ({
  ...(precision <= 9 ? { type: physical.int32 } : precision <= 18 ? { type: physical.int64 } : { type: physical.fixed, width: 16 }),
  converted: 5, decimal: { precision, scale }, logical: [[5, { struct: [[1, { i32: scale }], [2, { i32: precision }]] }]],
})

/** The form of a leaf, dictionaries by their values. */
export const leafForm = ({ kind, params }: Field, hasLocalTimes = false): LeafForm => {
  const integer = /^(u?)int(\d+)$/.exec(kind)
  if (integer !== null) return integerForm(Number(integer[2]), integer[1] === '')
  switch (kind) {
    case 'bool':
      return { type: physical.bool }
    case 'float32':
      return { type: physical.float }
    case 'float64':
      return { type: physical.double }
    case 'utf8':
      return { type: physical.bytes, converted: 0, logical: [[1, empty]] }
    case 'binary':
      return { type: physical.bytes }
    case 'date':
      return { type: physical.int32, converted: 6, logical: [[6, empty]] }
    case 'timestamp': {
      const unit = timeUnits[params.unit ?? 'ms']!
      // The older annotation means instants, and has no nanoseconds.
      return { type: physical.int64, ...(unit === 3 || hasLocalTimes ? {} : { converted: 8 + unit }), logical: [[8, { struct: [[1, { bool: !hasLocalTimes }], [2, { struct: [[unit, empty]] }]] }]] }
    }
    case 'decimal':
      return decimalForm(params.precision ?? 38, params.scale ?? 0)
    case 'dictionary':
      return leafForm(params.item!, hasLocalTimes)
    default:
      throw failure({ tag: 'Schema', code: 'UNKNOWN_KIND', problem: `no such kind of field: ${kind}` })
  }
}

/** Bytes of a value in the encoding PLAIN; 0 where they are not all as long, or less than one. */
export const plainWidth = ({ type, width }: LeafForm): number => (type === physical.int32 || type === physical.float ? 4 : type === physical.int64 || type === physical.double ? 8 : (width ?? 0))

const bytesOf = (values: ArrayBufferView): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

/** Typed array of the stored numbers: 32 bits for all that is narrower. */
export const storedNumbers = ({ values, field }: FixedColumn): ArrayBufferView & ArrayLike<number | bigint> => {
  if (field.kind === 'timestamp' && field.params.unit === 's') {
    return (values as BigInt64Array).map((value) => {
      const milliseconds = value * 1000n
      if (BigInt.asIntN(64, milliseconds) === milliseconds) return milliseconds
      throw failure({ tag: 'Schema', code: 'OUT_OF_RANGE', problem: `an instant ${value} s from 1970 cannot be stored: Parquet counts milliseconds at least` })
    })
  }
  return values.BYTES_PER_ELEMENT < 4 ? Int32Array.from(values as Int8Array) : values
}

const decimalBytes = (column: DecimalColumn, { type }: LeafForm): Uint8Array => {
  const { words, length } = column
  const low = halves(words)
  if (type === physical.int32) return bytesOf(Int32Array.from({ length }, (_, row) => low[4 * row]!))
  if (type === physical.int64) return bytesOf(BigInt64Array.from({ length }, (_, row) => words[2 * row]!))
  const source = bytesOf(words)
  const out = new Uint8Array(16 * length)
  for (let row = 0; row < length; row++) for (let byte = 0; byte < 16; byte++) out[16 * row + byte] = source[16 * row + 15 - byte]!
  return out
}

const lengthPrefixed = ({ offsets, bytes, length }: BytesColumn): Uint8Array => {
  const out = new Uint8Array(4 * length + offsets[length]! - offsets[0]!)
  let to = 0
  for (let row = 0; row < length; row++) {
    let at = offsets[row]!
    const end = offsets[row + 1]!
    const size = end - at
    out[to++] = size
    out[to++] = size >> 8
    out[to++] = size >> 16
    out[to++] = size >>> 24
    if (size > 32) {
      out.set(bytes.subarray(at, end), to)
      to += size
    } else while (at < end) out[to++] = bytes[at++]!
  }
  return out
}

/** The values of a column without nulls, in the encoding PLAIN. */
export const encodePlain = (column: Column, form: LeafForm): Uint8Array => {
  if (column instanceof FixedColumn) return bytesOf(storedNumbers(column))
  if (column instanceof BytesColumn) return lengthPrefixed(column)
  if (column instanceof BoolColumn) return column.bits.subarray(0, (column.length + 7) >> 3)
  if (column instanceof DecimalColumn) return decimalBytes(column, form)
  throw failure({ tag: 'Internal', code: 'UNKNOWN_LAYOUT', problem: `no Parquet form for ${column.constructor.name}` })
}
