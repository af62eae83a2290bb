import { numbersOf } from '../../tensor/host-tensor.js'
import { inputOf, opError, type Kernel, type KernelTable } from './kernel.js'

/**
 * The number of boundaries that are not above each value (`core/kernels/bucketize_op.cc`): boundaries are float32, integers are
 * compared as float32 too, as the C++ comparison converts them; NaN falls in the last bucket.
 */
const bucketize: Kernel = (node) => {
  const boundaries = Float32Array.from(node.attrs['boundaries']?.list?.f ?? [])
  for (let i = 1; i < boundaries.length; i++) if (!(boundaries[i - 1]! <= boundaries[i]!)) throw opError(node, 'its boundaries are not sorted')
  return (inputs) => {
    const input = inputOf(node, inputs, 0)
    const data = numbersOf(input, node.name)
    const exact = input.dtype === 'float64'
    const out = new Int32Array(data.length)
    for (let i = 0; i < out.length; i++) {
      const value = exact ? (data[i] as number) : Math.fround(Number(data[i]!))
      let low = 0
      let high = boundaries.length
      while (low < high) {
        const middle = (low + high) >> 1
        if (value < boundaries[middle]!) high = middle
        else low = middle + 1
      }
      out[i] = low
    }
    return [{ dtype: 'int32', shape: input.shape, data: out }]
  }
}

export const bucketizeKernels: KernelTable = { Bucketize: bucketize }
