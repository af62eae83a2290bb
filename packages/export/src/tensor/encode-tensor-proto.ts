import { BytesColumn } from '@millrace/core'
import { toInt64, type tensorflow } from '../proto/index.js'
import { dtypeNumber } from './dtypes.js'
import { numbersOf, type HostTensor } from './host-tensor.js'

/** A tensor as its message; the elements are views of the tensor's memory, not copies. */
export const encodeTensorProto = (tensor: HostTensor): tensorflow.TensorProto.$Properties => {
  const proto = {
    dtype: dtypeNumber(tensor.dtype) as tensorflow.DataType,
    tensorShape: { dim: tensor.shape.map((size) => ({ size: toInt64(size) })) },
  }
  if (tensor.data instanceof BytesColumn) {
    const { offsets, bytes, length } = tensor.data
    return { ...proto, stringVal: Array.from({ length }, (_, i) => bytes.subarray(offsets[i]!, offsets[i + 1]!)) }
  }
  const data = numbersOf(tensor, 'a message')
  return { ...proto, tensorContent: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }
}
