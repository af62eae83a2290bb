import { loadPeer } from '../errors/index.js'

/** The module `@tensorflow/tfjs`. */
export type TensorFlow = typeof import('@tensorflow/tfjs')

/**
 * TensorFlow.js, where it is used. `import` and `require` give one instance of it, which `tfjs-node` and the WebAssembly
 * backend share.
 *
 * @throws `MissingPeer`
 */
export const loadTensorFlow = async (use: string): Promise<TensorFlow> => {
  const module = await loadPeer('@tensorflow/tfjs', use, () => import('@tensorflow/tfjs'))
  // A CommonJS module: its names are all on `default`, and only those that Node could guess are on the namespace.
  return (module as TensorFlow & { readonly default?: TensorFlow }).default ?? module
}

/** What we need to know of a `tf.Tensor`, so that our declarations do not need TensorFlow.js. */
export interface TensorLike {
  readonly shape: number[]
  readonly dtype: string
  readonly size: number
  dispose(): void
  dataSync(): ArrayLike<number | string>
}
