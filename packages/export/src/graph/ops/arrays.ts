import { attr } from '../attr.js'
import { op } from '../op-def.js'
import {
  broadcast, broadcastTo, concat, expandDims, filled, fromShapeAttr, fromValueAttr, gather, noOutputs, oneHot, pack, padded, reshape,
  sameAsInput, scalar, shapeVector, slice, squeeze, stridedSlice, transpose, unique, unpack, vector,
} from '../shape-function.js'
import { indices, smallIndices } from './dtype-sets.js'

const index = attr.type({ allowed: indices, default: 'int32' })
const any = attr.type()
/** What `Range` counts in. */
const ranges = ['float32', 'float64', 'int32', 'int16', 'int8', 'int64', 'bfloat16', 'uint16', 'float16', 'uint32', 'uint64'] as const

/** Constants, inputs, and what moves elements without computing on them. */
export const arrayOps = {
  NoOp: op('->', {}, noOutputs),
  Const: op('-> output:dtype', { value: attr.tensor(), dtype: any }, fromValueAttr),
  Placeholder: op('-> output:dtype', { dtype: any, shape: attr.shape({ default: undefined }) }, fromShapeAttr),
  PlaceholderWithDefault: op('input:dtype -> output:dtype', { dtype: any, shape: attr.shape() }, fromShapeAttr),
  Identity: op('input:T -> output:T', { T: any }, sameAsInput),
  Cast: op('x:SrcT -> y:DstT', { SrcT: any, DstT: any, Truncate: attr.bool({ default: false }) }, sameAsInput),
  Shape: op('input:T -> output:out_type', { T: any, out_type: index }, shapeVector),
  Reshape: op('tensor:T shape:Tshape -> output:T', { T: any, Tshape: index }, reshape),
  Size: op('input:T -> output:out_type', { T: any, out_type: index }, scalar),
  ExpandDims: op('input:T dim:Tdim -> output:T', { T: any, Tdim: index }, expandDims),
  ConcatV2: op('values:N*T axis:Tidx -> output:T', { N: attr.int({ minimum: 2 }), T: any, Tidx: index }, concat),
  Pack: op('values:N*T -> output:T', { N: attr.int({ minimum: 1 }), T: any, axis: attr.int({ default: 0 }) }, pack),
  Unpack: op(
    'value:T -> output:num*T',
    { num: attr.int({ minimum: 0 }), T: any, axis: attr.int({ default: 0 }) },
    unpack,
  ),
  Squeeze: op('input:T -> output:T', { T: any, squeeze_dims: attr.ints({ default: [] }) }, squeeze),
  Slice: op('input:T begin:Index size:Index -> output:T', { T: any, Index: attr.type({ allowed: indices }) }, slice),
  Pad: op('input:T paddings:Tpaddings -> output:T', { T: any, Tpaddings: index }, padded),
  BroadcastTo: op('input:T shape:Tidx -> output:T', { T: any, Tidx: index }, broadcastTo),
  StridedSlice: op(
    'input:T begin:Index end:Index strides:Index -> output:T',
    {
      T: any,
      Index: attr.type({ allowed: smallIndices }),
      begin_mask: attr.int({ default: 0 }),
      end_mask: attr.int({ default: 0 }),
      ellipsis_mask: attr.int({ default: 0 }),
      new_axis_mask: attr.int({ default: 0 }),
      shrink_axis_mask: attr.int({ default: 0 }),
    },
    stridedSlice,
  ),
  Transpose: op('x:T perm:Tperm -> y:T', { T: any, Tperm: index }, transpose),
  GatherV2: op(
    'params:Tparams indices:Tindices axis:Taxis -> output:Tparams',
    {
      batch_dims: attr.int({ default: 0 }),
      Tparams: any,
      Tindices: attr.type({ allowed: smallIndices }),
      Taxis: attr.type({ allowed: indices }),
    },
    gather,
  ),
  OneHot: op(
    'indices:TI depth:int32 on_value:T off_value:T -> output:T',
    {
      axis: attr.int({ default: -1 }),
      T: any,
      TI: attr.type({ allowed: ['int32', 'uint8', 'int8', 'int64'], default: 'int64' }),
    },
    oneHot,
  ),
  Fill: op('dims:index_type value:T -> output:T', { T: any, index_type: index }, filled),
  Range: op('start:Tidx limit:Tidx delta:Tidx -> output:Tidx', { Tidx: attr.type({ allowed: ranges, default: 'int32' }) }, vector),
  ZerosLike: op('x:T -> y:T', { T: any }, sameAsInput),
  StopGradient: op('input:T -> output:T', { T: any }, sameAsInput),
  Unique: op('x:T -> y:T idx:out_idx', { T: any, out_idx: index }, unique),
  InvertPermutation: op('x:T -> y:T', { T: index }, sameAsInput),
  SelectV2: op('condition:bool t:T e:T -> output:T', { T: any }, broadcast),
} as const
