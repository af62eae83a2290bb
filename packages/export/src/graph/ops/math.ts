import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { addAll, argMax, batchMatMul, biasAdd, broadcast, matMul, reduce, sameAsInput, scalar, segmentSum } from '../shape-function.js'
import { floats, indices, realNumbers, signedNumbers, smallIndices } from './dtype-sets.js'

const real = { T: attr.type({ allowed: realNumbers }) }
const signed = { T: attr.type({ allowed: signedNumbers }) }
const float = { T: attr.type({ allowed: floats }) }
const reduction = { ...real, keep_dims: attr.bool({ default: false }), Tidx: attr.type({ allowed: indices, default: 'int32' }) }

const binary = 'x:T y:T -> z:T'
const comparison = 'x:T y:T -> z:bool'
const unary = 'x:T -> y:T'
const reducing = 'input:T reduction_indices:Tidx -> output:T'

/** Arithmetic, comparisons, reductions, matrix products. */
export const mathOps = {
  AddV2: op(binary, real, broadcast),
  AddN: op('inputs:N*T -> sum:T', { N: attr.int({ minimum: 1 }), T: attr.type({ allowed: [...realNumbers, 'variant'] }) }, addAll),
  Sub: op(binary, real, broadcast),
  Mul: op(binary, real, broadcast),
  RealDiv: op(binary, real, broadcast),
  FloorDiv: op(binary, real, broadcast),
  FloorMod: op(binary, real, broadcast),
  Maximum: op(binary, real, broadcast),
  Minimum: op(binary, real, broadcast),
  SquaredDifference: op(
    binary,
    { T: attr.type({ allowed: ['float32', 'float64', 'int32', 'int64', 'bfloat16', 'float16'] }) },
    broadcast,
  ),
  Pow: op(binary, signed, broadcast),
  Exp: op(unary, float, sameAsInput),
  Log: op(unary, float, sameAsInput),
  Log1p: op(unary, float, sameAsInput),
  Floor: op(unary, float, sameAsInput),
  Sign: op(unary, signed, sameAsInput),
  Cos: op(unary, float, sameAsInput),
  Reciprocal: op(unary, signed, sameAsInput),
  Neg: op(unary, signed, sameAsInput),
  Abs: op(unary, signed, sameAsInput),
  Sqrt: op(unary, float, sameAsInput),
  Rsqrt: op(unary, float, sameAsInput),
  Square: op(unary, real, sameAsInput),
  L2Loss: op('t:T -> output:T', float, scalar),
  Erf: op(unary, float, sameAsInput),
  Greater: op(comparison, real, broadcast),
  GreaterEqual: op(comparison, real, broadcast),
  Less: op(comparison, real, broadcast),
  LessEqual: op(comparison, real, broadcast),
  Equal: op(comparison, { T: attr.type(), incompatible_shape_error: attr.bool({ default: true }) }, broadcast),
  NotEqual: op(comparison, { T: attr.type(), incompatible_shape_error: attr.bool({ default: true }) }, broadcast),
  LogicalAnd: op('x:bool y:bool -> z:bool', {}, broadcast),
  LogicalOr: op('x:bool y:bool -> z:bool', {}, broadcast),
  LogicalNot: op('x:bool -> y:bool', {}, sameAsInput),
  Sum: op(reducing, reduction, reduce),
  Mean: op(reducing, reduction, reduce),
  Max: op(reducing, reduction, reduce),
  Min: op(reducing, reduction, reduce),
  Prod: op(reducing, reduction, reduce),
  Any: op('input:bool reduction_indices:Tidx -> output:bool', { keep_dims: attr.bool({ default: false }), Tidx: attr.type({ allowed: indices, default: 'int32' }) }, reduce),
  Cumprod: op(
    'x:T axis:Tidx -> out:T',
    { exclusive: attr.bool({ default: false }), reverse: attr.bool({ default: false }), ...real, Tidx: attr.type({ allowed: indices, default: 'int32' }) },
    sameAsInput,
  ),
  ArgMax: op(
    'input:T dimension:Tidx -> output:output_type',
    {
      T: attr.type({ allowed: [...realNumbers, 'bool'] }),
      Tidx: attr.type({ allowed: smallIndices, default: 'int32' }),
      output_type: attr.type({ allowed: ['int16', 'uint16', 'int32', 'int64'], default: 'int64' }),
    },
    argMax,
  ),
  UnsortedSegmentSum: op(
    'data:T segment_ids:Tindices num_segments:Tnumsegments -> output:T',
    { ...real, Tindices: attr.type({ allowed: smallIndices }), Tnumsegments: attr.type({ allowed: indices, default: 'int32' }) },
    segmentSum,
  ),
  MatMul: op(
    'a:T b:T -> product:T',
    {
      transpose_a: attr.bool({ default: false }),
      transpose_b: attr.bool({ default: false }),
      T: attr.type({
        allowed: ['float32', 'float64', 'int32', 'uint8', 'int64', 'bfloat16', 'uint16', 'float16', 'uint32', 'uint64'],
      }),
    },
    matMul,
  ),
  BatchMatMulV2: op(
    'x:T y:T -> output:T',
    {
      T: attr.type({
        allowed: ['bfloat16', 'float16', 'float32', 'float64', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'],
      }),
      adj_x: attr.bool({ default: false }),
      adj_y: attr.bool({ default: false }),
    },
    batchMatMul,
  ),
  BiasAdd: op('value:T bias:T -> output:T', { ...real, data_format: attr.string({ default: 'NHWC' }) }, biasAdd),
  Bucketize: op(
    'input:T -> output:int32',
    { T: attr.type({ allowed: ['float32', 'float64', 'int32', 'int64'] }), boundaries: attr.floats() },
    sameAsInput,
  ),
} as const
