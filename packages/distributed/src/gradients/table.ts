import type { OpName } from '@millrace/export'
import { ofFirst, type GradientFunction } from './gradient-function.js'
import { activationGradients } from './ops/activations.js'
import { addNGradient } from './ops/add-n.js'
import { batchMatMulGradient } from './ops/batch-mat-mul.js'
import { biasAddGradient } from './ops/bias-add.js'
import { binaryGradients } from './ops/binary.js'
import { broadcastToGradient } from './ops/broadcast-to.js'
import { concatGradient } from './ops/concat.js'
import { softmaxCrossEntropyGradient, sparseSoftmaxCrossEntropyGradient } from './ops/cross-entropy.js'
import { gatherGradient, resourceGatherGradient } from './ops/gather.js'
import { matMulGradient } from './ops/mat-mul.js'
import { packGradient, unpackGradient } from './ops/pack.js'
import { dynamicPartitionGradient, dynamicStitchGradient } from './ops/partitions.js'
import { extremeGradient, meanGradient, sumGradient } from './ops/reductions.js'
import { reshapeGradient } from './ops/reshape.js'
import { selectGradient } from './ops/select.js'
import { sliceGradient } from './ops/slice.js'
import { stridedSliceGradient } from './ops/strided-slice.js'
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
  BatchMatMulV2: batchMatMulGradient,
  BiasAdd: biasAddGradient,
  BroadcastTo: broadcastToGradient,
  ConcatV2: concatGradient,
  DynamicPartition: dynamicPartitionGradient,
  DynamicStitch: dynamicStitchGradient,
  ExpandDims: reshapeGradient,
  Floor: 'none',
  FloorDiv: 'none',
  GatherV2: gatherGradient,
  Identity: same,
  MatMul: matMulGradient,
  Max: extremeGradient,
  Mean: meanGradient,
  Min: extremeGradient,
  Pack: packGradient,
  ParallelDynamicStitch: dynamicStitchGradient,
  PlaceholderWithDefault: same,
  ReadVariableOp: same,
  Reshape: reshapeGradient,
  ResourceGather: resourceGatherGradient,
  SelectV2: selectGradient,
  Sign: 'none',
  Slice: sliceGradient,
  SoftmaxCrossEntropyWithLogits: softmaxCrossEntropyGradient,
  SparseSoftmaxCrossEntropyWithLogits: sparseSoftmaxCrossEntropyGradient,
  Squeeze: reshapeGradient,
  StopGradient: 'none',
  StridedSlice: stridedSliceGradient,
  Sum: sumGradient,
  Transpose: transposeGradient,
  Unpack: unpackGradient,
  ZerosLike: 'none',
} satisfies Partial<Record<OpName, GradientFunction | 'none'>>
