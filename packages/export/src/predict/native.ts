import { failure, localPath, schemeOf } from '@millrace/core'
import type { ModelSignature, OpenedSavedModel } from '../saved-model/read-saved-model.js'
import type { DType } from '../tensor/dtypes.js'
import { numbersOf, stringData, stringsOf, type HostTensor } from '../tensor/host-tensor.js'
import type { Runner } from './predictor.js'

export type NativeChoice = 'auto' | 'native' | 'javascript'

/** The part of `@tensorflow/tfjs-node` that is used; the package need not be installed. */
interface NativeTensor {
  readonly dtype: string
  readonly shape: number[]
  data(): Promise<Float32Array | Int32Array | Uint8Array | string[]>
  bytes(): Promise<Uint8Array[] | Uint8Array>
  dispose(): void
}
interface NativeModel {
  predict(inputs: { [name: string]: NativeTensor }): { [name: string]: NativeTensor } | NativeTensor | NativeTensor[]
  dispose(): void
}
interface NativeTensorFlow {
  readonly node: { loadSavedModel(path: string, tags: string[], signature: string): Promise<NativeModel> }
  tensor(values: unknown, shape: number[], dtype: string): NativeTensor
}

const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const

/** Imported by a name that bundlers and the compiler do not follow: neither package needs to be there. */
const importPackage = (name: string): Promise<unknown> => import(/* @vite-ignore */ name)

const findPackage = async (): Promise<{ readonly library: string; readonly tf: NativeTensorFlow } | { readonly causes: readonly unknown[] }> => {
  const causes: unknown[] = []
  for (const library of packages) {
    try {
      const module = await importPackage(library) as NativeTensorFlow & { default?: NativeTensorFlow }
      return { library, tf: module.node === undefined ? module.default! : module }
    } catch (cause) {
      causes.push(cause)
    }
  }
  return { causes }
}

/** Its SavedModels take int64 inputs as int32 tensors and widen them. */
const toNative = (tf: NativeTensorFlow, name: string, value: HostTensor): NativeTensor => {
  const shape = [...value.shape]
  if (value.dtype === 'string') return tf.tensor(stringsOf(value, name).toArray(), shape, 'string')
  if (value.dtype === 'int64') {
    const narrow = Int32Array.from(numbersOf(value, name) as unknown as ArrayLike<bigint>, (element: bigint) => {
      if (BigInt.asIntN(32, element) === element) return Number(element)
      throw failure({ tag: 'Model', code: 'OUT_OF_RANGE', problem: `${element} does not pass through tfjs-node, which gives models integers of 32 bits`, remedy: "Load the model with { runtime: 'javascript' }.", position: { column: name } })
    })
    return tf.tensor(narrow, shape, 'int32')
  }
  return tf.tensor(numbersOf(value, name), shape, value.dtype === 'float32' || value.dtype === 'bool' ? value.dtype : 'int32')
}

const fromNative = async (tensor: NativeTensor, dtype: DType): Promise<HostTensor> => {
  if (dtype === 'string') return { dtype, shape: tensor.shape, data: stringData(await tensor.bytes() as Uint8Array[]) }
  const data = await tensor.data() as Int32Array
  return { dtype, shape: tensor.shape, data: dtype === 'int64' ? BigInt64Array.from(data, BigInt) : data }
}

/**
 * The model in TensorFlow's own library, where it is installed.
 *
 * @returns undefined under `auto` when no package is there, the model is not in a local folder, or it takes int64, which that package
 *   gives models as int32 (a timestamp would not fit)
 * @throws `MissingPeer` under `native`
 */
export const loadNative = async (contents: OpenedSavedModel, signatures: { readonly [name: string]: ModelSignature }, choice: NativeChoice): Promise<Runner | undefined> => {
  const takesInt64 = Object.values(signatures).some(({ inputs }) => Object.values(inputs).some(({ dtype }) => dtype === 'int64'))
  if (choice === 'auto' && (takesInt64 || schemeOf(contents.url) !== 'file')) return undefined
  const found = await findPackage()
  if ('causes' in found) {
    if (choice !== 'native') return undefined
    throw failure({
      tag: 'MissingPeer',
      code: 'MISSING_PEER',
      problem: `running a model natively needs ${packages.join(' or ')}, and neither could be loaded`,
      remedy: `Install one: npm install ${packages[1]}`,
      cause: found.causes[0],
    })
  }
  const { tf, library } = found
  const models = new Map<string, NativeModel>()
  for (const name of Object.keys(signatures)) models.set(name, await tf.node.loadSavedModel(localPath(contents.url), [...contents.tags], name))
  return {
    runtime: { kind: 'native', library },
    run: async (name, feeds) => {
      const inputs: { [name: string]: NativeTensor } = {}
      let outputs: { [name: string]: NativeTensor } = {}
      try {
        for (const [key, value] of feeds) inputs[key] = toNative(tf, key, value)
        outputs = models.get(name)!.predict(inputs) as { [name: string]: NativeTensor }
        const results = new Map<string, HostTensor>()
        for (const [key, info] of Object.entries(signatures[name]!.outputs)) results.set(key, await fromNative(outputs[key]!, info.dtype))
        return results
      } finally {
        for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.dispose()
      }
    },
    dispose: () => {
      for (const model of models.values()) model.dispose()
      models.clear()
    },
  }
}
