import { decodeTensorProto } from '../../tensor/decode-tensor-proto.js'
import { arithmeticKernels } from './arithmetic.js'
import { bucketizeKernels } from './bucketize.js'
import { castKernels } from './cast.js'
import { compareKernels } from './compare.js'
import { inputOf, opError, type Kernel, type KernelTable } from './kernel.js'
import { parseExampleKernels } from './parse-example.js'
import { partitionKernels } from './partition.js'
import { selectKernels } from './select.js'
import { shapeKernels } from './shapes.js'
import { slicingKernels } from './slicing.js'
import { stringKernels } from './strings.js'
import { tableKernels } from './tables.js'
import { textKernels } from './text.js'
import { unaryKernels } from './unary.js'

const constant: Kernel = (node) => {
  const tensor = node.attrs['value']?.tensor
  if (tensor === null || tensor === undefined) throw opError(node, 'it has no value')
  const value = decodeTensorProto(tensor, `the constant ${node.name}`)
  return () => [value]
}

/** Fed, or else what it was given as a default. */
const placeholderWithDefault: Kernel = (node) => (inputs) => [inputOf(node, inputs, 0)]

/** All ops that run in plain JavaScript, by name. A kernel added to one of the families is known to the planner at once. */
export const kernels: KernelTable = {
  Const: constant,
  PlaceholderWithDefault: placeholderWithDefault,
  ...arithmeticKernels,
  ...bucketizeKernels,
  ...castKernels,
  ...compareKernels,
  ...parseExampleKernels,
  ...partitionKernels,
  ...selectKernels,
  ...shapeKernels,
  ...slicingKernels,
  ...stringKernels,
  ...tableKernels,
  ...textKernels,
  ...unaryKernels,
}
