import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { sameAsInput, type ShapeFunction } from '../shape-function.js'
import { indices } from './dtype-sets.js'

/** Indices, values and shape of a sparse matrix. */
const sparseMatrix: ShapeFunction = () => [[null, 2], [null], [2]]

/** Texts taken apart (`tensorflow/core/ops/string_ops.cc`), and the sparse matrices that come of it. */
export const textOps = {
  StringLength: op('input:string -> output:int32', { unit: attr.string({ default: 'BYTE' }) }, sameAsInput),
  StringLower: op('input:string -> output:string', { encoding: attr.string({ default: '' }) }, sameAsInput),
  RegexReplace: op('input:string pattern:string rewrite:string -> output:string', { replace_global: attr.bool({ default: true }) }, sameAsInput),
  StringSplitV2: op('input:string sep:string -> indices:int64 values:string shape:int64', { maxsplit: attr.int({ default: -1 }) }, sparseMatrix),
  SparseSlice: op(
    'indices:int64 values:T shape:int64 start:int64 size:int64 -> output_indices:int64 output_values:T output_shape:int64',
    { T: attr.type() },
    sparseMatrix,
  ),
  SparseToDense: op(
    'sparse_indices:Tindices output_shape:Tindices sparse_values:T default_value:T -> dense:T',
    { validate_indices: attr.bool({ default: true }), T: attr.type(), Tindices: attr.type({ allowed: indices }) },
  ),
} as const
