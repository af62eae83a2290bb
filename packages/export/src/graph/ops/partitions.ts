import { attr } from '../attr.js'
import { op } from '../op-def.js'
import type { Dim, Shape } from '../shape.js'
import { filled, type ShapeFunction } from '../shape-function.js'
import { floats, indices } from './dtype-sets.js'

/** What is left of `data` when its first dimensions, those of `of`, are taken away. */
const itemShape = (data: Shape, of: Shape): readonly Dim[] | undefined => (data === undefined || of === undefined ? undefined : data.slice(of.length))

const partitioned: ShapeFunction = ({ inputs: [data, partitions], attrs }) => {
  const item = itemShape(data?.shape, partitions?.shape)
  return Array.from({ length: Number(attrs['num_partitions']) }, (): Shape => (item === undefined ? undefined : [null, ...item]))
}

const stitched: ShapeFunction = ({ inputs, attrs }) => {
  const item = itemShape(inputs[Number(attrs['N'])]?.shape, inputs[0]?.shape)
  return [item === undefined ? undefined : [null, ...item]]
}

const stitching = { N: attr.int({ minimum: 1 }), T: attr.type() }
const diagonal = { T: attr.type({ allowed: ['float32', 'float64', 'bfloat16', 'float16', 'int32', 'int64'] }) }

const square: ShapeFunction = ({ inputs: [diagonal] }) => [diagonal?.shape === undefined ? undefined : [...diagonal.shape, ...diagonal.shape]]
const halfOf: ShapeFunction = ({ inputs: [matrix] }) => [matrix?.shape?.slice(0, matrix.shape.length / 2)]

/** The smaller factorisation of `[…, m, n]`: `[…, m, min]` and `[…, min, n]`. */
const factors: ShapeFunction = ({ inputs: [matrix], attrs }) => {
  const [rows, columns] = (matrix?.shape?.slice(-2) ?? []) as [Dim?, Dim?]
  if (matrix?.shape === undefined || typeof rows !== 'number' || typeof columns !== 'number' || attrs['full_matrices'] === true) return [undefined, undefined]
  const outer = matrix.shape.slice(0, -2)
  const inner = Math.min(rows, columns)
  return [[...outer, rows, inner], [...outer, inner, columns]]
}

/** What variables in parts, and first values of variables, are made with. */
export const partitionOps = {
  DynamicPartition: op(
    'data:T partitions:int32 -> outputs:num_partitions*T',
    { num_partitions: attr.int({ minimum: 1 }), T: attr.type() },
    partitioned,
  ),
  DynamicStitch: op('indices:N*int32 data:N*T -> merged:T', stitching, stitched),
  ParallelDynamicStitch: op('indices:N*int32 data:N*T -> merged:T', stitching, stitched),
  TruncatedNormal: op(
    'shape:T -> output:dtype',
    { seed: attr.int({ default: 0 }), seed2: attr.int({ default: 0 }), dtype: attr.type({ allowed: floats }), T: attr.type({ allowed: indices }) },
    filled,
    { stateful: true },
  ),
  Qr: op(
    'input:T -> q:T r:T',
    { full_matrices: attr.bool({ default: false }), T: attr.type({ allowed: ['float32', 'float64', 'float16'] }) },
    factors,
  ),
  Diag: op('diagonal:T -> output:T', diagonal, square),
  DiagPart: op('input:T -> diagonal:T', diagonal, halfOf),
} as const
