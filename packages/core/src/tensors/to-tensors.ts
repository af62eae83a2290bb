import type { Column } from '../columns/index.js'
import { requireOneOf, requireOptions, type OptionRules } from '../errors/index.js'
import { requireColumn, type Schema } from '../schema/index.js'
import type { Batch, ColumnMap } from '../stream/batch.js'
import { columnValues } from './column-values.js'
import { loadTensorFlow, type TensorFlow, type TensorLike } from './tensorflow.js'

/** How columns become tensors. */
export interface TensorOptions {
  /** Columns to take. Default: all. */
  readonly columns?: readonly string[] | undefined
  /** Shape of a column of scalars: `column` is [n, 1], which Keras inputs of shape [1] take, `flat` is [n]. Default `column`. */
  readonly scalars?: 'column' | 'flat' | undefined
}

const rules: OptionRules<TensorOptions> = { columns: 'any', scalars: 'any' }

const checked = (use: string, options: TensorOptions): TensorOptions => {
  requireOptions(use, options, rules)
  requireOneOf(`scalars of ${use}`, options.scalars ?? 'column', ['column', 'flat'])
  return options
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
export const toTensors = async (batch: Batch, options: TensorOptions = {}): Promise<Tensors> => tensorsOf(await loadTensorFlow('toTensors'), batch, checked('toTensors', options))

/** {@link toTensors} for TensorFlow.js that is loaded already: synchronous, for loops. */
export const tensorMaker = async (options: TensorOptions = {}): Promise<(batch: Batch) => Tensors> => {
  checked('tensorMaker', options)
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

const columnTensor = (tf: TensorFlow, column: Column, name: string, scalars: 'column' | 'flat'): TensorLike => {
  const { values, dtype, shape: [rows, size] } = columnValues(column, name)
  return tf.tensor(values as Float32Array, size !== undefined ? [rows, size] : scalars === 'flat' ? [rows] : [rows, 1], dtype)
}
