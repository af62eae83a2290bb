import type { TensorFlow } from '../tensorflow.js'
import { batchMatMul } from './batch-mat-mul.js'
import { conv2dBackpropFilter } from './conv2d-backprop-filter.js'
import { depthwiseConv2dBackpropFilter } from './depthwise-conv2d-backprop-filter.js'
import { depthwiseConv2dBackpropInput } from './depthwise-conv2d-backprop-input.js'
import type { WasmKernel } from './kernel.js'
import { unsortedSegmentSum } from './unsorted-segment-sum.js'

/** Kernels that training needs and the WebAssembly backend lacks. */
const missing: readonly WasmKernel[] = [unsortedSegmentSum, conv2dBackpropFilter, depthwiseConv2dBackpropInput, depthwiseConv2dBackpropFilter]
/** Kernels that it has, and that ours are faster than. */
const slow: readonly WasmKernel[] = [batchMatMul]

const registered = new WeakMap<object, readonly string[]>()

/**
 * Gives the WebAssembly backend, which must have been imported, what it lacks for training. A kernel that a later version
 * brings itself is left alone.
 *
 * @returns names of the kernels that are ours
 */
export const registerWasmKernels = (tf: TensorFlow): readonly string[] => {
  const engine = tf.engine()
  const before = registered.get(engine)
  if (before !== undefined) return before
  const ours: string[] = []
  for (const kernel of missing) {
    const config = kernel(tf)
    if (tf.getKernel(config.kernelName, 'wasm') !== undefined) continue
    tf.registerKernel(config)
    ours.push(config.kernelName)
  }
  for (const kernel of slow) {
    const config = kernel(tf)
    tf.unregisterKernel(config.kernelName, 'wasm')
    tf.registerKernel(config)
    ours.push(config.kernelName)
  }
  registered.set(engine, ours)
  return ours
}
