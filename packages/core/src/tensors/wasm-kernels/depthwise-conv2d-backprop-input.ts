import type { TensorInfo } from '@tensorflow/tfjs'
import { wasmKernel, type ConvolutionAttributes, type WasmKernel } from './kernel.js'

/**
 * Gradient of a depthwise convolution to its input, NHWC.
 *
 * Follows `DepthwiseConv2dNativeBackpropInput` of tfjs-backend-cpu.
 */
export const depthwiseConv2dBackpropInput: WasmKernel = (tf) =>
  wasmKernel<{ dy: TensorInfo; filter: TensorInfo }, ConvolutionAttributes & { inputShape: [number, number, number, number] }>('DepthwiseConv2dNativeBackpropInput', ({ inputs: { dy, filter }, attrs, backend }) => {
    const info = tf.backend_util.computeConv2DInfo(attrs.inputShape, filter.shape as [number, number, number, number], attrs.strides, attrs.dilations ?? 1, attrs.pad, attrs.dimRoundingMode, true)
    const { batchSize, inChannels, inHeight, inWidth, outChannels, outHeight, outWidth, filterHeight, filterWidth, strideHeight, strideWidth, dilationHeight, dilationWidth } = info
    const multiplier = outChannels / inChannels
    const out = backend.makeOutput([...attrs.inputShape], 'float32')
    const gradient = backend.typedArrayFromHeap(dy)
    const weights = backend.typedArrayFromHeap(filter)
    const to = backend.typedArrayFromHeap(out)
    to.fill(0)
    for (let b = 0; b < batchSize; b++) {
      for (let oh = 0; oh < outHeight; oh++) {
        for (let ow = 0; ow < outWidth; ow++) {
          const source = ((b * outHeight + oh) * outWidth + ow) * outChannels
          for (let fh = 0; fh < filterHeight; fh++) {
            const h = oh * strideHeight + fh * dilationHeight - info.padInfo.top
            if (h < 0 || h >= inHeight) continue
            for (let fw = 0; fw < filterWidth; fw++) {
              const w = ow * strideWidth + fw * dilationWidth - info.padInfo.left
              if (w < 0 || w >= inWidth) continue
              const target = ((b * inHeight + h) * inWidth + w) * inChannels
              const weight = (fh * filterWidth + fw) * outChannels
              for (let c = 0, o = 0; c < inChannels; c++) {
                let sum = 0
                for (let m = 0; m < multiplier; m++, o++) sum += gradient[source + o]! * weights[weight + o]!
                to[target + c]! += sum
              }
            }
          }
        }
      }
    }
    return out
  })
