import type { DataType } from '@tensorflow/tfjs'
import { BoolColumn, BytesColumn, DictionaryColumn, FixedColumn, getBit, halves, ListColumn, type Column } from '../columns/index.js'
import { failure } from '../errors/index.js'
import { describeField, requireColumn, type Schema } from '../schema/index.js'
import type { Batch, ColumnMap } from '../stream/batch.js'
import { loadTensorFlow, type TensorFlow, type TensorLike } from './tensorflow.js'

/** How columns become tensors. */
export interface TensorOptions {
  /** Columns to take. Default: all. */
  readonly columns?: readonly string[] | undefined
  /** Shape of a column of scalars: `column` is [n, 1], which Keras inputs of shape [1] take, `flat` is [n]. Default `column`. */
  readonly scalars?: 'column' | 'flat' | undefined
}

/** Tensors by column name. Whoever has them disposes of them. */
export type Tensors = { readonly [name: string]: TensorLike }

/**
 * The columns of a batch as TensorFlow.js tensors on the current backend.
 *
 * float32 stays, float64 is rounded to float32; integers, dates (days) and booleans (0 and 1) become int32, and a value that
 * does not fit is an error; utf8 becomes string tensors, binary string tensors of bytes; dictionaries count as their values;
 * lists that all have one length become [n, length]. float32 and int32 columns are handed over without a copy of ours.
 *
 * @throws `Schema` for nulls, lists of different lengths, and kinds without a tensor form; nothing is leaked
 * @throws `MissingPeer` when `@tensorflow/tfjs` is not installed
 */
export const toTensors = async (batch: Batch, options: TensorOptions = {}): Promise<Tensors> => tensorsOf(await loadTensorFlow('toTensors'), batch, options)

/** {@link toTensors} for TensorFlow.js that is loaded already: synchronous, for loops. */
export const tensorMaker = async (options: TensorOptions = {}): Promise<(batch: Batch) => Tensors> => {
  const tf = await loadTensorFlow('tensorMaker')
  return (batch) => tensorsOf(tf, batch, options)
}

/** {@link toTensors} with the module at hand. */
export const tensorsOf = (tf: TensorFlow, batch: Batch, options: TensorOptions = {}): Tensors => {
  const columns = batch.columns as ColumnMap
  const tensors: { [name: string]: TensorLike } = {}
  try {
    for (const name of options.columns ?? Object.keys(batch.schema)) {
      requireColumn(batch.schema as Schema, name, 'toTensors')
      tensors[name] = columnTensor(tf, columns[name]!, name, options.scalars ?? 'column')
    }
    return tensors
  } catch (thrown) {
    for (const name in tensors) tensors[name]!.dispose()
    throw thrown
  }
}

/** What a tensor is made of. */
interface Elements {
  readonly values: Float32Array | Int32Array | string[] | Uint8Array[]
  readonly dtype: DataType
}

const columnTensor = (tf: TensorFlow, column: Column, name: string, scalars: 'column' | 'flat'): TensorLike => {
  if (column instanceof ListColumn) {
    refuseNulls(column, name)
    const size = listSize(column, name)
    const items = column.items.slice(column.offsets[0]!, column.offsets[column.length]!)
    const { values, dtype } = elements(items, name)
    return tf.tensor(values as Float32Array, [column.length, size], dtype)
  }
  const { values, dtype } = elements(column, name)
  return tf.tensor(values as Float32Array, scalars === 'flat' ? [column.length] : [column.length, 1], dtype)
}

const refuseNulls = (column: Column, name: string): void => {
  if (column.nullCount === 0) return
  throw failure({
    tag: 'Schema',
    code: 'NULL',
    problem: `the column holds ${column.nullCount} null${column.nullCount === 1 ? '' : 's'}, and tensors cannot`,
    remedy: 'Fill or filter them first; standardize, vocabulary and the other features have a rule for nulls.',
    position: { column: name },
  })
}

const listSize = ({ field, offsets, length }: ListColumn, name: string): number => {
  const size = field.params.size ?? (length === 0 ? 0 : offsets[1]! - offsets[0]!)
  for (let row = 0; row < length; row++) {
    const found = offsets[row + 1]! - offsets[row]!
    if (found === size) continue
    throw failure({ tag: 'Schema', code: 'RAGGED', problem: `a list of ${found} items stands where the others have ${size}`, remedy: 'Tensors need lists of one length: pad or cut them first.', position: { column: name, record: row } })
  }
  return size
}

const elements = (column: Column, name: string): Elements => {
  refuseNulls(column, name)
  if (column instanceof DictionaryColumn) return elements(column.expand(), name)
  if (column instanceof BoolColumn) return { values: Int32Array.from({ length: column.length }, (_, row) => (getBit(column.bits, row) ? 1 : 0)), dtype: 'int32' }
  if (column instanceof BytesColumn) return { values: column.toArray() as string[] | Uint8Array[], dtype: 'string' }
  if (column instanceof FixedColumn) {
    const { values } = column
    if (values instanceof Float32Array) return { values, dtype: 'float32' }
    if (values instanceof Float64Array) return { values: Float32Array.from(values), dtype: 'float32' }
    if (values instanceof Int32Array) return { values, dtype: 'int32' }
    if (values instanceof BigInt64Array || values instanceof BigUint64Array) return { values: narrow(values, name), dtype: 'int32' }
    if (values instanceof Uint32Array) return { values: checked(values, name), dtype: 'int32' }
    return { values: Int32Array.from(values), dtype: 'int32' }
  }
  throw failure({ tag: 'Schema', code: 'NO_TENSOR', problem: `${describeField(column.field)} has no tensor form`, remedy: 'Make a number or a text of it first.', position: { column: name } })
}

const outOfRange = (value: number | bigint, name: string, row: number): Error =>
  failure({ tag: 'Schema', code: 'OUT_OF_RANGE', problem: `${value} does not fit the int32 of a tensor`, remedy: 'TensorFlow.js has no 64-bit integers: make a feature of the column, or float64 of it, first.', position: { column: name, record: row } })

const narrow = (values: BigInt64Array | BigUint64Array, name: string): Int32Array => {
  const words = halves(values)
  const out = new Int32Array(values.length)
  const signed = values instanceof BigInt64Array
  for (let row = 0; row < out.length; row++) {
    const low = words[2 * row]!
    // The high word is the sign of the low one, and nothing more.
    if (words[2 * row + 1] !== low >> 31 || (!signed && low < 0)) throw outOfRange(values[row]!, name, row)
    out[row] = low
  }
  return out
}

const checked = (values: Uint32Array, name: string): Int32Array => {
  for (let row = 0; row < values.length; row++) if (values[row]! > 2147483647) throw outOfRange(values[row]!, name, row)
  return Int32Array.from(values)
}
