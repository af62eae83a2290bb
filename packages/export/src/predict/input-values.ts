import { BoolColumn, BytesColumn, ConversionError, DecimalColumn, DictionaryColumn, failure, FixedColumn, getBit, ListColumn, type Column } from '@millrace/core'
import type { ModelSignature, ModelTensor } from '../saved-model/read-saved-model.js'
import { allocate, type DType, type NumericData } from '../tensor/dtypes.js'
import { sizeOf, stringData, type HostTensor, type StringData } from '../tensor/host-tensor.js'

/** One value of an input. `null` is allowed for strings only, where it means `''`; a `Date` is its milliseconds since 1970. */
export type InputScalar = string | Uint8Array | number | bigint | boolean | Date | null

/** Values of an input: flat, or nested by the tensor's dimensions. */
export type InputArray = readonly (InputScalar | InputArray)[]

/**
 * What an input may be given as: a column of a batch, a typed array, an array of values (nested for more dimensions), flat
 * values with a shape, or one value for an input that is a scalar.
 */
export type InputValues = Column | NumericData | InputArray | InputScalar | { readonly values: NumericData | readonly InputScalar[]; readonly shape: readonly number[] }

/** How an input is described in errors: `origin (string[?])`. */
export const describeInput = (name: string, { dtype, shape }: ModelTensor): string =>
  `${name} (${dtype}${shape === undefined ? '' : `[${shape.map((dim) => (dim < 0 ? '?' : dim)).join(',')}]`})`

/** All inputs of a signature, for errors. */
export const describeInputs = (signature: ModelSignature): string => Object.entries(signature.inputs).map(([name, info]) => describeInput(name, info)).join(', ')

const refuse = (name: string, info: ModelTensor, problem: string): Error =>
  failure({ tag: 'Schema', code: 'BAD_INPUT', problem: `${problem}, and the model's input is ${describeInput(name, info)}`, position: { column: name } })

const integerRanges: { readonly [D in DType]?: readonly [bigint, bigint] } = {
  int8: [-128n, 127n], int16: [-32768n, 32767n], int32: [-(2n ** 31n), 2n ** 31n - 1n], int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 255n], uint16: [0n, 65535n], uint32: [0n, 2n ** 32n - 1n], uint64: [0n, 2n ** 64n - 1n],
}
const isFloat = (dtype: DType): boolean => dtype === 'float32' || dtype === 'float64'
const isBig = (dtype: DType): boolean => dtype === 'int64' || dtype === 'uint64'

/** Stores one value as the input's type. @throws ConversionError */
const storeNumber = (out: NumericData, i: number, value: unknown, dtype: DType): void => {
  const number = value instanceof Date ? value.getTime() : typeof value === 'boolean' ? Number(value) : value
  if (typeof number !== 'number' && typeof number !== 'bigint') {
    throw new ConversionError('WRONG_TYPE', value === null || value === undefined ? 'a value is null or missing' : `a value is ${typeof value === 'object' ? value.constructor.name : typeof value}`)
  }
  if (isFloat(dtype)) {
    out[i] = Number(number)
    return
  }
  if (dtype === 'bool') {
    if (typeof value !== 'boolean' && number !== 0 && number !== 1) throw new ConversionError('WRONG_TYPE', `${number} is not a boolean`)
    out[i] = Number(number)
    return
  }
  const range = integerRanges[dtype]
  if (range === undefined) throw new ConversionError('WRONG_TYPE', `values of type ${dtype} cannot be given`)
  if (typeof number === 'number' && !Number.isInteger(number)) throw new ConversionError('WRONG_TYPE', `${number} is not a whole number`)
  if (number < range[0] || number > range[1]) throw new ConversionError('OUT_OF_RANGE', `${number} is out of the range of ${dtype}`)
  out[i] = isBig(dtype) ? BigInt(number) : Number(number)
}

/** Elements of a typed array as the input's type; the array itself where it is that already. */
const convertNumbers = (values: ArrayLike<unknown>, dtype: DType): NumericData => {
  const out = allocate(dtype, values.length)
  if (ArrayBuffer.isView(values) && (values.constructor === out.constructor) && dtype !== 'bool') return values as unknown as NumericData
  if (values instanceof Float64Array && dtype === 'float32') return Float32Array.from(values)
  for (let i = 0; i < values.length; i++) storeNumber(out, i, values[i], dtype)
  return out
}

const convertStrings = (values: ArrayLike<unknown>): StringData => stringData(Array.from(values, (value) => {
  if (value === null || value === undefined) return ''
  if (typeof value === 'string' || value instanceof Uint8Array) return value
  throw new ConversionError('WRONG_TYPE', `a value is ${typeof value}`)
}))

const convertAll = (values: ArrayLike<unknown>, dtype: DType): HostTensor['data'] => (dtype === 'string' ? convertStrings(values) : convertNumbers(values, dtype))

/** Null strings become empty ones; the bytes under them, if there are any, vanish. */
const withoutNulls = (column: BytesColumn): BytesColumn => {
  if (column.nullCount === 0) return column
  return column.take(Int32Array.from({ length: column.length }, (_, row) => (column.isValid(row) ? row : -1)))
}

/** A column's rows as elements of the input's type. */
const columnElements = (column: Column, dtype: DType): HostTensor['data'] => {
  if (column instanceof DictionaryColumn) return columnElements(column.expand(), dtype)
  if (dtype === 'string') {
    if (column instanceof BytesColumn) return withoutNulls(column) as StringData
    if (column instanceof DecimalColumn) return convertStrings(column.toArray())
    throw new ConversionError('WRONG_TYPE', `the column is ${column.field.kind}`)
  }
  if (column.nullCount > 0) throw new ConversionError('NULL', `${column.nullCount} values are null`)
  if (column instanceof BoolColumn) return convertNumbers(Uint8Array.from({ length: column.length }, (_, row) => (getBit(column.bits, row) ? 1 : 0)), dtype)
  if (column instanceof FixedColumn) {
    const float = column.field.kind === 'float32' || column.field.kind === 'float64'
    if (float && !isFloat(dtype)) throw new ConversionError('WRONG_TYPE', `the column is ${column.field.kind}`)
    return convertNumbers(column.values, dtype)
  }
  throw new ConversionError('WRONG_TYPE', `the column is ${column.field.kind}`)
}

const columnTensor = (column: Column, dtype: DType): HostTensor => {
  if (!(column instanceof ListColumn)) return { dtype, shape: [column.length], data: columnElements(column, dtype) }
  const { offsets, items, length } = column
  if (column.nullCount > 0) throw new ConversionError('NULL', `${column.nullCount} lists are null`)
  const width = length === 0 ? (column.field.params.size ?? 0) : offsets[1]! - offsets[0]!
  for (let row = 0; row < length; row++) {
    const size = offsets[row + 1]! - offsets[row]!
    if (size !== width) throw new ConversionError('WRONG_TYPE', `row ${row} is a list of ${size} where row 0 is one of ${width}`)
  }
  return { dtype, shape: [length, width], data: columnElements(items.slice(offsets[0]!, offsets[length]!), dtype) }
}

const isColumn = (value: object): value is Column => 'field' in value && 'isValid' in value

const nestedShape = (value: unknown): number[] => {
  const shape: number[] = []
  for (let at = value; Array.isArray(at); at = at[0] as unknown) {
    shape.push(at.length)
    if (at.length === 0 || shape.length > 16) break
  }
  return shape
}

const flatten = (value: readonly unknown[], shape: readonly number[], depth: number, out: unknown[]): void => {
  if (value.length !== shape[depth]) throw new ConversionError('WRONG_TYPE', `a list has ${value.length} values where others have ${shape[depth]}`)
  for (const item of value) {
    if (depth + 1 < shape.length) {
      if (!Array.isArray(item)) throw new ConversionError('WRONG_TYPE', 'some values are lists and some are not')
      flatten(item, shape, depth + 1, out)
    } else out.push(item)
  }
}

/** Values of any accepted form as a tensor of `dtype`. @throws ConversionError */
export const valuesTensor = (value: InputValues, dtype: DType): HostTensor => {
  if (Array.isArray(value)) {
    const shape = nestedShape(value)
    const flat: unknown[] = []
    flatten(value, shape, 0, flat)
    return { dtype, shape, data: convertAll(flat, dtype) }
  }
  if (ArrayBuffer.isView(value)) {
    // A Uint8Array is a string's bytes where strings are wanted, and small numbers elsewhere.
    if (dtype === 'string') return { dtype, shape: [], data: convertStrings([value]) }
    return { dtype, shape: [(value as Float32Array).length], data: convertNumbers(value as Float32Array, dtype) }
  }
  if (value !== null && typeof value === 'object' && !(value instanceof Date)) {
    if (isColumn(value)) return columnTensor(value, dtype)
    const { values, shape } = value as { values: ArrayLike<unknown> | undefined; shape: readonly number[] | undefined }
    if (typeof values !== 'object' || values === null || !Array.isArray(shape)) throw new ConversionError('WRONG_TYPE', 'it is an object without values and shape')
    if (sizeOf(shape) !== values.length) throw new ConversionError('WRONG_TYPE', `${values.length} values do not fill the shape [${shape.join(',')}]`)
    return { dtype, shape, data: convertAll(values, dtype) }
  }
  return { dtype, shape: [], data: convertAll([value], dtype) }
}

const fits = (shape: readonly number[], wanted: readonly number[]): boolean => shape.length === wanted.length && wanted.every((dim, i) => dim < 0 || dim === shape[i])

/** The shape under which the values fit the signature: a trailing dimension of 1 may be there or not. */
const fittedShape = (shape: readonly number[], wanted: readonly number[] | undefined): readonly number[] | undefined => {
  if (wanted === undefined || fits(shape, wanted)) return shape
  const longer = [...shape, 1]
  if (fits(longer, wanted)) return longer
  return shape[shape.length - 1] === 1 && fits(shape.slice(0, -1), wanted) ? shape.slice(0, -1) : undefined
}

/** The tensor of one input. @throws `Schema` that names the input, its type and shape */
export const inputTensor = (name: string, value: InputValues, info: ModelTensor): HostTensor => {
  let tensor: HostTensor
  try {
    tensor = valuesTensor(value, info.dtype)
  } catch (thrown) {
    if (thrown instanceof ConversionError) throw refuse(name, info, thrown.message)
    throw thrown
  }
  const shape = fittedShape(tensor.shape, info.shape)
  if (shape === undefined) throw refuse(name, info, `its values have the shape [${tensor.shape.join(',')}]`)
  return { ...tensor, shape }
}
