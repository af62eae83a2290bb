import type { TensorInfo } from '@tensorflow/tfjs'
import { requireChannelsLast, wasmKernel, type ConvolutionAttributes, type WasmKernel } from './kernel.js'

/**
 * Gradient of a 2-D convolution to its filter: the product of the input's patches, one column a position, with `dy`.
 *
 * Follows `Conv2DBackpropFilter` of tfjs-backend-cpu; the product runs in the backend's `BatchMatMul` (XNNPACK).
 */
export const conv2dBackpropFilter: WasmKernel = (tf) =>
  wasmKernel<{ x: TensorInfo; dy: TensorInfo }, ConvolutionAttributes>('Conv2DBackpropFilter', ({ inputs: { x, dy }, attrs, backend }) => {
    requireChannelsLast(attrs.dataFormat, 'Conv2DBackpropFilter')
    const info = tf.backend_util.computeConv2DInfo(x.shape as [number, number, number, number], attrs.filterShape, attrs.strides, 1, attrs.pad, attrs.dimRoundingMode, false, 'channelsLast')
    const { batchSize, inChannels, inHeight, inWidth, outChannels, outHeight, outWidth, filterHeight, filterWidth, strideHeight, strideWidth } = info
    const positions = batchSize * outHeight * outWidth
    const patches = backend.makeOutput([1, filterHeight * filterWidth * inChannels, positions], 'float32')
    const from = backend.typedArrayFromHeap(x)
    const to = backend.typedArrayFromHeap(patches)
    to.fill(0)
    for (let fh = 0; fh < filterHeight; fh++) {
      for (let fw = 0; fw < filterWidth; fw++) {
        const first = (fh * filterWidth + fw) * inChannels * positions
        for (let b = 0; b < batchSize; b++) {
          for (let oh = 0; oh < outHeight; oh++) {
            const h = oh * strideHeight + fh - info.padInfo.top
            if (h < 0 || h >= inHeight) continue
            for (let ow = 0; ow < outWidth; ow++) {
              const w = ow * strideWidth + fw - info.padInfo.left
              if (w < 0 || w >= inWidth) continue
              const source = ((b * inHeight + h) * inWidth + w) * inChannels
              const target = first + (b * outHeight + oh) * outWidth + ow
              for (let c = 0; c < inChannels; c++) to[target + c * positions] = from[source + c]!
            }
          }
        }
      }
    }
    const product = tf.getKernel('BatchMatMul', 'wasm').kernelFunc({
      inputs: { a: patches, b: { ...dy, shape: [1, positions, outChannels] } },
      attrs: { transposeA: false, transposeB: false },
      backend,
    }) as TensorInfo
    backend.disposeData(patches.dataId)
    return { ...product, shape: [...attrs.filterShape] }
  })
