import { failure, fromUnknown, loadPeer } from '@millrace/core'
import type { GraphModel, Tensor } from '@tensorflow/tfjs'
import { allocate, type DType, type NumericData } from '../../tensor/dtypes.js'
import type { HostTensor } from '../../tensor/host-tensor.js'
import { numericDtype, type Topology } from './topology.js'

type TensorFlowJs = typeof import('@tensorflow/tfjs')

/** Elements as TensorFlow.js wants them: int64 narrowed to int32. */
const narrowed = (value: HostTensor, use: string): Float32Array | Int32Array | Uint8Array => {
  if (!(value.data instanceof BigInt64Array)) return value.data as Float32Array
  return Int32Array.from(value.data as unknown as ArrayLike<bigint>, (element: bigint) => {
    if (BigInt.asIntN(32, element) === element) return Number(element)
    throw failure({ tag: 'Model', code: 'OUT_OF_RANGE', problem: `${use} holds ${element}, and TensorFlow.js has no integers above 32 bits` })
  })
}

/** The graph's part in TensorFlow.js: one model, of which each run computes what is asked for. */
export interface NumericModel {
  /** Backend at load, for reports. */
  readonly backend: string
  /**
   * Computes outputs from inputs.
   *
   * @param feeds - by reference key, with the placeholders' values
   * @param fetches - outputs, with the types that the graph gives them
   */
  run(feeds: ReadonlyMap<string, HostTensor>, fetches: readonly { readonly node: string; readonly output: number; readonly dtype: DType }[]): Promise<HostTensor[]>
  dispose(): void
}

const arrayBuffer = (data: Float32Array | Int32Array | Uint8Array): ArrayBuffer => new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer as ArrayBuffer

/** The result in the type that the graph declares. */
const widened = (data: Float32Array | Int32Array | Uint8Array, dtype: DType): NumericData => {
  if (dtype !== 'int64') return data
  const out = allocate('int64', data.length) as BigInt64Array
  for (let i = 0; i < data.length; i++) out[i] = BigInt(data[i]!)
  return out
}

/**
 * Builds the model in TensorFlow.js, on whichever backend is active.
 *
 * @throws `MissingPeer` when `@tensorflow/tfjs` is not installed
 */
export const loadNumericModel = async (topology: Topology): Promise<NumericModel> => {
  const tf: TensorFlowJs = await loadPeer('@tensorflow/tfjs', 'running the numeric part of a graph', () => import('@tensorflow/tfjs'))
  await tf.ready()
  const weights = topology.constants.map(({ name, value }) => ({ name, shape: [...value.shape], dtype: numericDtype(value.dtype), data: narrowed(value, `the constant ${name}`) }))
  const model: GraphModel = await tf.loadGraphModel(tf.io.fromMemory({
    modelTopology: { node: topology.nodes, versions: { producer: 1, minConsumer: 1 } },
    weightSpecs: weights.map(({ name, shape, dtype }) => ({ name, shape, dtype })),
    weightData: weights.map(({ data }) => arrayBuffer(data)),
  }))
  let disposed = false
  return {
    backend: tf.getBackend(),
    run: async (feeds, fetches) => {
      if (disposed) throw failure({ tag: 'Usage', code: 'DISPOSED', problem: 'the predictor was disposed of' })
      const inputs: Record<string, Tensor> = {}
      let outputs: Tensor[] = []
      try {
        for (const [key, value] of feeds) {
          inputs[topology.placeholders.get(key)!] = tf.tensor(narrowed(value, `the input ${key}`), [...value.shape], numericDtype(value.dtype))
        }
        const wanted = fetches.map(({ node, output }) => (output === 0 ? topology.names.get(node)! : `${topology.names.get(node)!}:${output}`))
        outputs = [model.execute(inputs, wanted)].flat()
        const results: HostTensor[] = []
        for (let i = 0; i < outputs.length; i++) {
          const data = await outputs[i]!.data() as Float32Array | Int32Array | Uint8Array
          const { dtype } = fetches[i]!
          results.push({ dtype, shape: outputs[i]!.shape, data: widened(data, dtype) })
        }
        return results
      } catch (thrown) {
        const error = fromUnknown(thrown)
        if (error._tag !== 'Internal') throw error
        throw failure({ tag: 'Engine', code: 'TENSORFLOW_JS', problem: `TensorFlow.js (backend ${tf.getBackend()}) could not run the graph: ${error.problem}`, cause: thrown })
      } finally {
        for (const tensor of [...Object.values(inputs), ...outputs]) tensor.dispose()
      }
    },
    dispose: () => {
      if (!disposed) model.dispose()
      disposed = true
    },
  }
}
