import type { TensorInfo } from '@tensorflow/tfjs'
import { wasmKernel, type ConvolutionAttributes, type WasmKernel } from './kernel.js'

/**
 * Gradient of a depthwise convolution to its filter, NHWC.
 *
 * Follows `DepthwiseConv2dNativeBackpropFilter` of tfjs-backend-cpu.
 */
export const depthwiseConv2dBackpropFilter: WasmKernel = (tf) =>
  wasmKernel<{ x: TensorInfo; dy: TensorInfo }, ConvolutionAttributes>('DepthwiseConv2dNativeBackpropFilter', ({ inputs: { x, dy }, attrs, backend }) => {
    const info = tf.backend_util.computeConv2DInfo(x.shape as [number, number, number, number], attrs.filterShape, attrs.strides, attrs.dilations ?? 1, attrs.pad, attrs.dimRoundingMode, true)
    const { batchSize, inChannels, inHeight, inWidth, outChannels, outHeight, outWidth, filterHeight, filterWidth, strideHeight, strideWidth, dilationHeight, dilationWidth } = info
    const multiplier = outChannels / inChannels
    const out = backend.makeOutput([...attrs.filterShape], 'float32')
    const from = backend.typedArrayFromHeap(x)
    const gradient = backend.typedArrayFromHeap(dy)
    const to = backend.typedArrayFromHeap(out)
    // Sums over all positions are long: they are kept in double precision.
    const sums = new Float64Array(to.length)
    for (let b = 0; b < batchSize; b++) {
      for (let oh = 0; oh < outHeight; oh++) {
        for (let ow = 0; ow < outWidth; ow++) {
          const dyAt = ((b * outHeight + oh) * outWidth + ow) * outChannels
          for (let fh = 0; fh < filterHeight; fh++) {
            const h = oh * strideHeight + fh * dilationHeight - info.padInfo.top
            if (h < 0 || h >= inHeight) continue
            for (let fw = 0; fw < filterWidth; fw++) {
              const w = ow * strideWidth + fw * dilationWidth - info.padInfo.left
              if (w < 0 || w >= inWidth) continue
              const xAt = ((b * inHeight + h) * inWidth + w) * inChannels
              const weight = (fh * filterWidth + fw) * outChannels
              for (let c = 0, o = 0; c < inChannels; c++) {
                const value = from[xAt + c]!
                for (let m = 0; m < multiplier; m++, o++) sums[weight + o]! += value * gradient[dyAt + o]!
              }
            }
          }
        }
      }
    }
    to.set(sums)
    return out
  })
