import { toInt64, type tensorflow } from '../../proto/index.js'
import type { DType } from '../../tensor/dtypes.js'
import { boolAttr, dtypeAttr, type Node } from '../graph/graph.js'

type Long = NonNullable<tensorflow.IAttrValue['i']>

/**
 * Ops that the graph executor of TensorFlow.js 4.22 runs synchronously on tensors of float32, int32 and bool
 * (`tfjs-converter/src/operations/op_list`, but for control flow, tables, strings, random numbers and those whose result has a
 * size known only afterwards, which it runs asynchronously). A test compares the list with the installed package.
 *
 * Left out on purpose, for kernels of ours: `Mod`, which it floors where TensorFlow truncates; `Select`, which it broadcasts where
 * TensorFlow picks whole rows; `OneHot`, for which it ignores the axis, and in whose float32 result the WebAssembly backend writes
 * the bits of integers.
 */
export const numericOps: ReadonlySet<string> = new Set([
  // arithmetic
  'Add', 'AddV2', 'AddN', 'BiasAdd', 'Sub', 'RealDiv', 'Div', 'DivNoNan', 'FloorDiv', 'Mul', 'Maximum', 'Minimum', 'Pow', 'SquaredDifference', 'FloorMod',
  // basic_math
  'Abs', 'Acos', 'Asin', 'Atan', 'Atan2', 'Ceil', 'ClipByValue', 'Cos', 'Cosh', 'Elu', 'Exp', 'Floor', 'Log', 'Neg', 'Prelu', 'Relu', 'Relu6', 'Selu', 'Sigmoid',
  'Sin', 'Sinh', 'Sqrt', 'Rsqrt', 'Square', 'Tan', 'Tanh', 'Sign', 'Round', 'Expm1', 'Log1p', 'Reciprocal', 'Softplus', 'Asinh', 'Acosh', 'Atanh', 'Erf',
  'LeakyRelu', 'IsNan', 'IsFinite', 'IsInf',
  // convolution
  'AvgPool', 'MaxPool', 'AvgPool3D', 'MaxPool3D', 'Conv1D', 'Conv2D', '_FusedConv2D', 'Conv2DBackpropInput', 'DepthwiseConv2d', 'DepthwiseConv2dNative',
  'FusedDepthwiseConv2dNative', 'Conv3D', 'Dilation2D',
  // creation
  'Fill', 'LinSpace', 'Ones', 'OnesLike', 'Range', 'Zeros', 'ZerosLike',
  // evaluation
  'TopKV2',
  // graph
  'Rank', 'Size', 'Shape', 'ShapeN',
  // image
  'ResizeBilinear', 'ResizeNearestNeighbor', 'CropAndResize',
  // logical
  'Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalNot', 'LogicalOr', 'SelectV2', 'BitwiseAnd',
  // matrices
  '_FusedMatMul', 'MatMul', 'BatchMatMul', 'BatchMatMulV2', 'Transpose', 'Einsum', 'MatrixBandPart',
  // normalization
  'EuclideanNorm', 'FusedBatchNorm', 'FusedBatchNormV2', 'FusedBatchNormV3', 'LRN', 'Softmax', 'LogSoftmax',
  // reduction
  'Max', 'Mean', 'Min', 'Sum', 'All', 'Any', 'ArgMax', 'ArgMin', 'Prod', 'Cumprod', 'Cumsum',
  // slice_join
  'ConcatV2', 'Concat', 'GatherV2', 'Gather', 'Reverse', 'ReverseV2', 'Slice', 'StridedSlice', 'Pack', 'Unpack', 'Tile', 'Split', 'SplitV', 'ScatterNd', 'GatherNd',
  'TensorScatterUpdate',
  // transformation
  'Cast', 'ExpandDims', 'MirrorPad', 'Pad', 'PadV2', 'Reshape', 'Squeeze', 'SpaceToBatchND', 'BatchToSpaceND', 'DepthToSpace', 'BroadcastTo',
])

/**
 * Inputs that are axes, shapes or indices, by op; -1 is the last one. Where they are int64, the executor gets them as int32,
 * checked to fit: it has no 64-bit integers.
 */
const indexInputs: { readonly [op: string]: readonly number[] } = {
  ArgMax: [1], ArgMin: [1], All: [1], Any: [1], Max: [1], Mean: [1], Min: [1], Prod: [1], Sum: [1], Cumsum: [1], Cumprod: [1], EuclideanNorm: [1],
  BroadcastTo: [1], ConcatV2: [-1], ExpandDims: [1], Fill: [0], Gather: [1], GatherV2: [1, 2], GatherNd: [1], MirrorPad: [1], Pad: [1], PadV2: [1],
  Reshape: [1], ReverseV2: [1], ScatterNd: [0, 2], Slice: [1, 2], StridedSlice: [1, 2, 3], SplitV: [1], TensorScatterUpdate: [1], Tile: [1], Transpose: [1],
  SpaceToBatchND: [1, 2], BatchToSpaceND: [1, 2],
}

/** True when input `index` of `count` may be narrowed from int64 to int32. */
export const isIndexInput = (op: string, index: number, count: number): boolean => {
  const places = indexInputs[op]
  return places !== undefined && (places.includes(index) || (places.includes(-1) && index === count - 1))
}

/** Ops whose results are small integers, which the executor gives as int32 where the graph says int64. */
export const givesIndices: ReadonlySet<string> = new Set(['ArgMax', 'ArgMin', 'Shape', 'ShapeN', 'Size'])

const text = (value: string): tensorflow.IAttrValue => ({ s: new TextEncoder().encode(value) })
const ones = (count: number): tensorflow.IAttrValue => ({ list: { i: Array.from({ length: count }, () => toInt64(1) as unknown as Long) } })

/**
 * Values of attributes that exporters leave out because they are TensorFlow's defaults (`strip_default_attrs`), where the executor
 * assumes another default or none. From the registry of TensorFlow 2.21.
 */
export const attrDefaults: { readonly [op: string]: { readonly [attr: string]: tensorflow.IAttrValue } } = {
  BiasAdd: { data_format: text('NHWC') },
  LeakyRelu: { alpha: { f: 0.2 } },
  AvgPool: { data_format: text('NHWC') },
  MaxPool: { data_format: text('NHWC') },
  AvgPool3D: { data_format: text('NDHWC') },
  MaxPool3D: { data_format: text('NDHWC') },
  Conv2D: { data_format: text('NHWC'), dilations: ones(4) },
  _FusedConv2D: { data_format: text('NHWC'), dilations: ones(4), epsilon: { f: 0.0001 }, leakyrelu_alpha: { f: 0.2 } },
  Conv2DBackpropInput: { data_format: text('NHWC'), dilations: ones(4) },
  DepthwiseConv2dNative: { data_format: text('NHWC'), dilations: ones(4) },
  Conv3D: { data_format: text('NDHWC'), dilations: ones(5) },
  CropAndResize: { method: text('bilinear') },
  _FusedMatMul: { epsilon: { f: 0.0001 }, leakyrelu_alpha: { f: 0.2 } },
  FusedBatchNorm: { data_format: text('NHWC'), epsilon: { f: 0.0001 } },
  FusedBatchNormV2: { data_format: text('NHWC'), epsilon: { f: 0.0001 } },
  FusedBatchNormV3: { data_format: text('NHWC'), epsilon: { f: 0.0001 } },
  LRN: { depth_radius: { i: toInt64(5) as unknown as Long }, bias: { f: 1 }, alpha: { f: 1 }, beta: { f: 0.5 } },
  DepthToSpace: { data_format: text('NHWC') },
}

const onlyType = (attr: string, dtype: DType) => (node: Node): boolean => dtypeAttr(node, attr, 'float32') === dtype
const inference = (node: Node): boolean => !boolAttr(node, 'is_training', true)

/** Ops that the executor runs as TensorFlow does only with some attributes. */
export const numericWhen: { readonly [op: string]: (node: Node) => boolean } = {
  // It divides integers towards minus infinity, and makes integers of floats.
  Div: onlyType('T', 'float32'),
  RealDiv: onlyType('T', 'float32'),
  FloorDiv: onlyType('T', 'int32'),
  FusedBatchNorm: inference,
  FusedBatchNormV2: inference,
  FusedBatchNormV3: inference,
}
