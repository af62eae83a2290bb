import { failure, fromUnknown, loadPeer, schemeOf, type MillraceError } from '@millrace/core'

/** What the addon of `@tensorflow/tfjs-node` tells of a tensor. */
export interface NativeOutput {
  readonly id: number
  readonly shape: number[]
  /** TensorFlow's number. */
  readonly dtype: number
}

/**
 * The addon of `@tensorflow/tfjs-node` (its `TFJSBinding`), under the package's public calls.
 *
 * The calls above it, `tf.node.loadSavedModel` and `TFSavedModel.predict`, are not used: they widen int64 inputs from int32 with
 * zeros, so that negative numbers change and a timestamp does not fit; they refuse whole models for one signature of a type that
 * they do not know; they demand that the process computes on `tensorflow`; and they give a model that was replaced in its folder
 * as it was before. The addon has none of that.
 */
export interface NativeBinding {
  readonly TF_Version: string
  createTensor(shape: readonly number[], dtype: number, values: ArrayBufferView | readonly Uint8Array[]): number
  deleteTensor(id: number): void
  /** Copies. */
  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array | BigInt64Array
  loadSavedModel(folder: string, tags: string): number
  deleteSavedModel(model: number): void
  /** Tensors' names are given as `a:0,b:0`. Outputs have ids, which the caller must delete. */
  runSavedModel(model: number, inputs: readonly number[], inputNames: string, outputNames: string): NativeOutput[]
}

/** What is used of the packages themselves, which are `@tensorflow/tfjs` and more. */
interface NativeModule {
  findBackend(name: 'tensorflow'): { readonly binding?: NativeBinding } | null
}

/** The part of `@tensorflow/tfjs` that chooses what it computes on. */
interface Backends {
  getBackend(): string | undefined
  setBackend(name: string): Promise<boolean>
}

/** TensorFlow's own library, in this process. */
export interface NativeLibrary {
  /** The package that brings it. */
  readonly library: string
  readonly binding: NativeBinding
}

const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const

/** Imported by a name that bundlers and the compiler do not follow: none of the packages needs to be there. */
const importPackage = async <T extends object>(name: string): Promise<T> => {
  const module = (await import(/* @vite-ignore */ name)) as T & { readonly default?: T }
  return module.default ?? module
}

/** Importing tfjs-node makes it what TensorFlow.js computes on: `load` is run so that a backend that was in use stays in use. */
const keepingBackend = async <T>(load: () => Promise<T>): Promise<T> => {
  const tf = await importPackage<Backends>('@tensorflow/tfjs').catch(() => undefined)
  const before = tf?.getBackend()
  try {
    return await load()
  } finally {
    if (tf !== undefined && before !== undefined && before !== tf.getBackend()) await tf.setBackend(before)
  }
}

const bindingOf = (module: NativeModule): NativeBinding => {
  const binding = module.findBackend('tensorflow')?.binding
  if (typeof binding?.runSavedModel === 'function' && typeof binding.createTensor === 'function') return binding
  throw failure({ tag: 'MissingPeer', code: 'BROKEN_PEER', problem: 'the tfjs-node that is installed does not have the addon of version 4', remedy: `Install it: npm install ${packages[1]}@4` })
}

/**
 * Finds TensorFlow's library by `@tensorflow/tfjs-node-gpu`, else `@tensorflow/tfjs-node`.
 *
 * @throws `MissingPeer` that says whether they are not installed or do not load
 */
export const findNativeLibrary = (): Promise<NativeLibrary> => keepingBackend(async () => {
  let broken: MillraceError | undefined
  for (const library of packages) {
    try {
      return { library, binding: bindingOf(await loadPeer(library, 'running a model natively', () => importPackage<NativeModule>(library))) }
    } catch (thrown) {
      const error = fromUnknown(thrown)
      if (error.code !== 'MISSING_PEER') broken ??= error
    }
  }
  throw broken ?? failure({
    tag: 'MissingPeer',
    code: 'MISSING_PEER',
    problem: `running a model natively needs ${packages.join(' or ')}, and neither is installed`,
    remedy: `Install one: npm install ${packages[1]}`,
  })
})

/** What an error says, in one line. */
export const firstLine = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown)).split('\n')[0]!.trim().replace(/\.$/, '')

/** Whether TensorFlow, which reads models by itself, can read this one. */
export const isLocal = (url: string): boolean => schemeOf(url) === 'file'
