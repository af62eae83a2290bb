import type { KernelConfig, NamedAttrMap, TensorInfo, TypedArray } from '@tensorflow/tfjs'
import { failure } from '../../errors/index.js'
import type { TensorFlow } from '../tensorflow.js'

/** The part of the WebAssembly backend that kernels in JavaScript need. */
export interface WasmBackend {
  /** Memory of the WebAssembly heap, not zeroed. May move the heap: take views after it. */
  makeOutput(shape: number[], dtype: TensorInfo['dtype']): TensorInfo
  /** The tensor's elements, valid until the next allocation. */
  typedArrayFromHeap(info: TensorInfo): TypedArray
  disposeData(dataId: object): boolean
}

/** A kernel of the WebAssembly backend that needs TensorFlow.js's own helpers. */
export type WasmKernel = (tf: TensorFlow) => KernelConfig

/** Inputs and attributes of a kernel, as the engine hands them over. */
export interface KernelCall<Inputs, Attributes> {
  readonly inputs: Inputs
  readonly attrs: Attributes
  readonly backend: WasmBackend
}

/** A kernel with its inputs and attributes typed. */
export const wasmKernel = <Inputs, Attributes>(kernelName: string, compute: (call: KernelCall<Inputs, Attributes>) => TensorInfo): KernelConfig => ({
  kernelName,
  backendName: 'wasm',
  kernelFunc: ({ inputs, attrs, backend }) =>
    compute({ inputs: inputs as unknown as Inputs, attrs: (attrs ?? ({} as NamedAttrMap)) as unknown as Attributes, backend: backend as WasmBackend }),
})

/** Attributes of the convolution gradients. */
export interface ConvolutionAttributes {
  readonly strides: [number, number] | number
  readonly pad: 'valid' | 'same' | number
  readonly dilations?: [number, number] | number
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil'
  readonly dataFormat?: 'NHWC' | 'NCHW'
  readonly filterShape: [number, number, number, number]
}

/** @throws `Model` for channels before height and width, which the WebAssembly backend has no kernels for */
export const requireChannelsLast = (dataFormat: string | undefined, kernel: string): void => {
  if (dataFormat !== 'NCHW') return
  throw failure({ tag: 'Model', code: 'UNSUPPORTED_DATA_FORMAT', problem: `${kernel} on the WebAssembly backend takes NHWC only`, remedy: "Use dataFormat: 'channelsLast'." })
}
