import type { OpName } from '@millrace/export'
import { ofFirst, type GradientFunction } from './gradient-function.js'
import { activationGradients } from './ops/activations.js'
import { addNGradient } from './ops/add-n.js'
import { avgPoolGradient } from './ops/avg-pool.js'
import { batchMatMulGradient } from './ops/batch-mat-mul.js'
import { biasAddGradient } from './ops/bias-add.js'
import { binaryGradients } from './ops/binary.js'
import { batchToSpaceGradient, spaceToBatchGradient } from './ops/blocks.js'
import { broadcastToGradient } from './ops/broadcast-to.js'
import { concatGradient } from './ops/concat.js'
import { conv2DGradient } from './ops/conv-2d.js'
import { conv2DBackpropInputGradient } from './ops/conv-2d-backprop-input.js'
import { softmaxCrossEntropyGradient, sparseSoftmaxCrossEntropyGradient } from './ops/cross-entropy.js'
import { depthwiseConv2DGradient } from './ops/depthwise-conv-2d.js'
import { gatherGradient, resourceGatherGradient } from './ops/gather.js'
import { matMulGradient } from './ops/mat-mul.js'
import { maxPoolGradient } from './ops/max-pool.js'
import { packGradient, unpackGradient } from './ops/pack.js'
import { dynamicPartitionGradient, dynamicStitchGradient } from './ops/partitions.js'
import { padGradient } from './ops/pad.js'
import { prodGradient } from './ops/prod.js'
import { extremeGradient, meanGradient, sumGradient } from './ops/reductions.js'
import { reshapeGradient } from './ops/reshape.js'
import { resizeBilinearGradient, resizeNearestNeighborGradient } from './ops/resize.js'
import { reverseGradient } from './ops/reverse.js'
import { selectGradient } from './ops/select.js'
import { sliceGradient } from './ops/slice.js'
import { splitGradient, splitVGradient } from './ops/split.js'
import { stridedSliceGradient } from './ops/strided-slice.js'
import { tileGradient } from './ops/tile.js'
import { transposeGradient } from './ops/transpose.js'
import { unaryGradients } from './ops/unary.js'

const same = ofFirst(({ g }) => g)

/** Ops that hand on what they take, the gradients of looked up rows included. */
export const passesSlices: ReadonlySet<string> = new Set<OpName>(['Identity', 'ReadVariableOp'])

/**
 * The gradient of every op that has one; `'none'` where the derivative is 0 everywhere, or not wanted. An op that is not here has
 * no known gradient, which is an error; those whose outputs are whole numbers, truths or strings need none.
 */
export const gradientFunctions: Readonly<Partial<Record<string, GradientFunction | 'none'>>> = {
  ...unaryGradients,
  ...binaryGradients,
  ...activationGradients,
  AddN: addNGradient,
  AvgPool: avgPoolGradient,
  BatchMatMulV2: batchMatMulGradient,
  BatchToSpaceND: batchToSpaceGradient,
  BiasAdd: biasAddGradient,
  BroadcastTo: broadcastToGradient,
  ConcatV2: concatGradient,
  Conv2D: conv2DGradient,
  Conv2DBackpropInput: conv2DBackpropInputGradient,
  DepthwiseConv2dNative: depthwiseConv2DGradient,
  DynamicPartition: dynamicPartitionGradient,
  DynamicStitch: dynamicStitchGradient,
  ExpandDims: reshapeGradient,
  Floor: 'none',
  FloorDiv: 'none',
  GatherV2: gatherGradient,
  Identity: same,
  MatMul: matMulGradient,
  Max: extremeGradient,
  MaxPool: maxPoolGradient,
  Mean: meanGradient,
  Min: extremeGradient,
  Pack: packGradient,
  ParallelDynamicStitch: dynamicStitchGradient,
  Pad: padGradient,
  PlaceholderWithDefault: same,
  Prod: prodGradient,
  ReadVariableOp: same,
  Reshape: reshapeGradient,
  ResizeBilinear: resizeBilinearGradient,
  ResizeNearestNeighbor: resizeNearestNeighborGradient,
  ResourceGather: resourceGatherGradient,
  ReverseV2: reverseGradient,
  SelectV2: selectGradient,
  Sign: 'none',
  Slice: sliceGradient,
  SoftmaxCrossEntropyWithLogits: softmaxCrossEntropyGradient,
  SpaceToBatchND: spaceToBatchGradient,
  SparseSoftmaxCrossEntropyWithLogits: sparseSoftmaxCrossEntropyGradient,
  Split: splitGradient,
  SplitV: splitVGradient,
  Squeeze: reshapeGradient,
  StopGradient: 'none',
  StridedSlice: stridedSliceGradient,
  Sum: sumGradient,
  Tile: tileGradient,
  Transpose: transposeGradient,
  Unpack: unpackGradient,
  ZerosLike: 'none',
} satisfies Partial<Record<OpName, GradientFunction | 'none'>>
