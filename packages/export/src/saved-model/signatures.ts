import { dtypeNumbers, type DType, type Shape, type Tensor } from '../graph/index.js'
import { encodeShape } from '../graph/shape.js'
import type { LoweredEntry } from '../lower/index.js'
import type { tensorflow } from '../proto/index.js'

/** Names of the signatures that we write. `serving_default` is what a caller gets who names none. */
export const signatureNames = ['serving_default', 'serving_examples'] as const

/** A signature's name: raw values, or serialized examples. */
export type SignatureName = (typeof signatureNames)[number]

/** One input or output of a signature. */
export interface SignatureTensor {
  readonly dtype: DType
  /** `null` where a dimension is free: the batch. */
  readonly shape: Shape
  /** `node:index` in the graph. */
  readonly tensor: string
}

/** What a signature takes and gives, by the names that callers use. */
export interface SignatureReport {
  readonly inputs: Readonly<Record<string, SignatureTensor>>
  readonly outputs: Readonly<Record<string, SignatureTensor>>
}

const mapTensors = <A>(tensors: Readonly<Record<string, Tensor>>, change: (tensor: Tensor) => A): Record<string, A> =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, change(tensor)]))

const describe = ({ dtype, shape, name }: Tensor): SignatureTensor => ({ dtype, shape, tensor: name })

/** An entry of a lowered graph, for reports. */
export const describeEntry = ({ inputs, outputs }: LoweredEntry): SignatureReport => ({
  inputs: mapTensors(inputs, describe),
  outputs: mapTensors(outputs, describe),
})

/** A tensor as signatures and assets refer to it. */
export const tensorInfo = ({ name, dtype, shape }: Tensor): tensorflow.TensorInfo.$Properties => ({
  name,
  dtype: dtypeNumbers[dtype] as tensorflow.DataType,
  tensorShape: encodeShape(shape),
})

/** An entry as a signature for TensorFlow Serving's Predict, and for everybody else. */
export const encodeSignature = ({ inputs, outputs }: LoweredEntry): tensorflow.SignatureDef.$Properties => ({
  inputs: mapTensors(inputs, tensorInfo),
  outputs: mapTensors(outputs, tensorInfo),
  methodName: 'tensorflow/serving/predict',
})
