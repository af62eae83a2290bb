import type { ListColumn} from '@millrace/core';
import { field, isMillraceError, type Column, type Field, type Schema } from '@millrace/core'
import { ExampleDecoder } from '@millrace/formats'
import { int64ToNumber } from '../../proto/index.js'
import { allocate, type DType } from '../../tensor/dtypes.js'
import { integerTensor, sizeOf, stringsOf, type HostTensor } from '../../tensor/host-tensor.js'
import { dtypeListAttr, intAttr, type Node } from '../graph/graph.js'
import { checkElements, inputOf, opError, type Kernel, type KernelTable } from './kernel.js'
import { broadcastTo, joinElements, reshaped, takeElements } from './movement.js'

const items: { readonly [D in DType]?: () => Field } = { int64: field.int64, float32: field.float32, string: field.binary }

const listField = (node: Node, dtype: DType): Field => {
  const item = items[dtype]
  if (item === undefined) throw opError(node, `features are int64, float32 or string, not ${dtype}`)
  return field.nullable(field.list(item()))
}

/** All items of a list column, whatever rows they stand in. */
const itemsOf = (column: Column, dtype: DType): HostTensor => {
  const { items: inner, offsets } = column as ListColumn
  const whole = inner.slice(offsets[0]!, offsets[offsets.length - 1]!) as unknown as { readonly values?: HostTensor['data'] }
  const data = (dtype === 'string' ? whole : whole.values) as HostTensor['data']
  return { dtype, shape: [offsets[offsets.length - 1]! - offsets[0]!], data }
}

/** A dense feature: each row has exactly the elements of `shape`, or the default. */
const dense = (node: Node, key: string, column: ListColumn, dtype: DType, shape: readonly number[], fallback: HostTensor, rows: number): HostTensor => {
  const width = sizeOf(shape)
  const out = [rows, ...shape]
  checkElements(node, out)
  const found = itemsOf(column, dtype)
  let complete = true
  for (let row = 0; row < rows; row++) {
    if (!column.isValid(row)) complete = false
    else if (column.offsets[row + 1]! - column.offsets[row]! !== width) {
      throw opError(node, `the feature "${key}" of example ${row} has ${column.offsets[row + 1]! - column.offsets[row]!} values, and its shape is [${shape.join(',')}]`)
    }
  }
  if (complete) return reshaped(found, out)
  if (sizeOf(fallback.shape) === 0 && width > 0) {
    const row = Array.from({ length: rows }, (_, i) => i).find((i) => !column.isValid(i))
    throw opError(node, `the feature "${key}" is missing in example ${row}, and it has no default`)
  }
  const whole = sizeOf(fallback.shape) === width ? fallback : broadcastTo(reshaped(fallback, [1]), [width])
  const size = sizeOf(found.shape)
  const indices = new Int32Array(rows * width)
  for (let row = 0; row < rows; row++) {
    const start = column.isValid(row) ? column.offsets[row]! - column.offsets[0]! : size
    for (let i = 0; i < width; i++) indices[row * width + i] = start + i
  }
  return takeElements(joinElements([found, reshaped(whole, [width])]), indices, out)
}

/** A sparse feature: the indices, values and shape of a sparse matrix of rows by positions. */
const sparse = (column: ListColumn, dtype: DType, rows: number): readonly [HostTensor, HostTensor, HostTensor] => {
  const values = itemsOf(column, dtype)
  const indices = allocate('int64', sizeOf(values.shape) * 2)
  let longest = 0
  let at = 0
  for (let row = 0; row < rows; row++) {
    const length = column.offsets[row + 1]! - column.offsets[row]!
    longest = Math.max(longest, length)
    for (let i = 0; i < length; i++) {
      indices[at++] = BigInt(row)
      indices[at++] = BigInt(i)
    }
  }
  return [{ dtype: 'int64', shape: [at / 2, 2], data: indices }, values, integerTensor('int64', [2], [rows, longest])]
}

const keysOf = (tensor: HostTensor, use: string): string[] => {
  const strings = stringsOf(tensor, use)
  return Array.from({ length: strings.length }, (_, i) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(strings.get(i)))
}

/**
 * `ParseExampleV2` (`core/kernels/example_parsing_ops.cc`) over the decoder of `@millrace/formats`. The keys, which are inputs of
 * the op, are read once. Ragged features and dense ones of variable length are not here.
 */
const parseExampleV2: Kernel = (node) => {
  const numSparse = intAttr(node, 'num_sparse', 0)
  const sparseTypes = dtypeListAttr(node, 'sparse_types')
  const denseTypes = dtypeListAttr(node, 'Tdense')
  const shapes = (node.attrs['dense_shapes']?.list?.shape ?? []).map((shape) => (shape.dim ?? []).map((dim) => int64ToNumber(dim.size)))
  if (dtypeListAttr(node, 'ragged_value_types').length > 0) throw opError(node, 'it has ragged features')
  if (shapes.some((shape) => shape.some((dim) => dim < 0))) throw opError(node, 'it has dense features of variable length')
  for (const dtype of [...sparseTypes, ...denseTypes]) listField(node, dtype)
  let prepared: { readonly decoder: ExampleDecoder; readonly sparseKeys: readonly string[]; readonly denseKeys: readonly string[] } | undefined
  const prepare = (inputs: readonly HostTensor[]): NonNullable<typeof prepared> => {
    const sparseKeys = keysOf(inputOf(node, inputs, 2), node.name)
    const denseKeys = keysOf(inputOf(node, inputs, 3), node.name)
    if (sparseKeys.length !== numSparse || sparseTypes.length !== numSparse || denseKeys.length !== denseTypes.length || shapes.length !== denseTypes.length) {
      throw opError(node, 'the numbers of its keys, types and shapes differ')
    }
    const schema: Schema = Object.fromEntries([
      ...sparseKeys.map((key, i) => [key, listField(node, sparseTypes[i]!)] as const),
      ...denseKeys.map((key, i) => [key, listField(node, denseTypes[i]!)] as const),
    ])
    return { decoder: new ExampleDecoder(schema), sparseKeys, denseKeys }
  }
  return (inputs) => {
    const serialized = inputOf(node, inputs, 0)
    if (serialized.shape.length !== 1) throw opError(node, `its examples have the shape [${serialized.shape.join(',')}], and a vector is wanted`)
    prepared ??= prepare(inputs)
    const { decoder, sparseKeys, denseKeys } = prepared
    const { offsets, bytes, length: rows } = stringsOf(serialized, node.name)
    const columns = decodeAll(decoder, offsets, bytes, rows)
    const parts = sparseKeys.map((key, i) => sparse(columns[key] as ListColumn, sparseTypes[i]!, rows))
    const denses = denseKeys.map((key, i) => dense(node, key, columns[key] as ListColumn, denseTypes[i]!, shapes[i]!, inputOf(node, inputs, 5 + i), rows))
    return [...parts.map(([indices]) => indices), ...parts.map(([, values]) => values), ...parts.map(([, , shape]) => shape), ...denses]
  }
}

const decodeAll = (decoder: ExampleDecoder, offsets: Int32Array, bytes: Uint8Array, rows: number): { readonly [name: string]: Column } => {
  for (let row = 0; row < rows; row++) {
    try {
      decoder.decode(bytes, offsets[row]!, offsets[row + 1]!)
    } catch (error) {
      // What was decoded before must not show up in the next call.
      decoder.finish()
      throw isMillraceError(error) ? error.at({ record: row }) : error
    }
  }
  return decoder.finish().columns
}

/** Serialized tf.train.Example messages into tensors. */
export const parseExampleKernels: KernelTable = { ParseExampleV2: parseExampleV2 }

/** Number of outputs and their types, for the planner. */
export const parseExampleOutputs = (node: Node): DType[] => {
  const numSparse = intAttr(node, 'num_sparse', 0)
  const int64s = new Array<DType>(numSparse).fill('int64')
  return [...int64s, ...dtypeListAttr(node, 'sparse_types'), ...int64s, ...dtypeListAttr(node, 'Tdense')]
}

