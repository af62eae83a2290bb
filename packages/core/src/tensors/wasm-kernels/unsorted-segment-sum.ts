import type { TensorInfo } from '@tensorflow/tfjs'
import { wasmKernel, type WasmKernel } from './kernel.js'

/**
 * Adds rows of `x` up by segment: the gradient of gather, so of embeddings. As on the cpu backend, rows whose id is not in
 * 0 … numSegments - 1 are left out.
 *
 * Follows `UnsortedSegmentSum` of tfjs-backend-cpu; one pass over `x` where that makes one a segment.
 */
export const unsortedSegmentSum: WasmKernel = () =>
  wasmKernel<{ x: TensorInfo; segmentIds: TensorInfo }, { numSegments: number }>('UnsortedSegmentSum', ({ inputs: { x, segmentIds }, attrs: { numSegments }, backend }) => {
    const innerShape = x.shape.slice(segmentIds.shape.length)
    const out = backend.makeOutput([numSegments, ...innerShape], x.dtype)
    const inner = innerShape.reduce((product, size) => product * size, 1)
    const from = backend.typedArrayFromHeap(x)
    const ids = backend.typedArrayFromHeap(segmentIds)
    const to = backend.typedArrayFromHeap(out)
    to.fill(0)
    for (let row = 0, at = 0; row < ids.length; row++) {
      const id = ids[row]!
      if (id < 0 || id >= numSegments) {
        at += inner
        continue
      }
      for (let i = id * inner, end = i + inner; i < end; i++, at++) to[i]! += from[at]!
    }
    return out
  })
