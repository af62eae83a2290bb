/*
 * What lowering needs of a TensorFlow.js layers model, as structural types: `tf.LayersModel` and `tf.Sequential` fit, and no
 * declaration of ours needs TensorFlow.js to be installed.
 */

/** A `tf.LayersModel` or `tf.Sequential`, built. */
export interface ModelLike {
  readonly name: string
  readonly inputs: readonly SymbolicTensorLike[]
  readonly outputs: readonly SymbolicTensorLike[]
}

/** A `tf.SymbolicTensor`: what flows between layers before there are values. */
export interface SymbolicTensorLike {
  readonly id: number
  readonly name: string
  readonly dtype: string
  readonly shape: readonly (number | null)[]
  readonly sourceLayer: LayerLike
  /** Which call of the source layer made it. */
  readonly nodeIndex: number
}

/** A `tf.layers.Layer`. */
export interface LayerLike {
  readonly name: string
  readonly weights: readonly WeightLike[]
  readonly inboundNodes: readonly LayerCallLike[]
  getClassName(): string
  getConfig(): object
}

/** One call of a layer in a model's topology. */
export interface LayerCallLike {
  readonly inputTensors: readonly SymbolicTensorLike[]
  readonly outputTensors: readonly SymbolicTensorLike[]
}

/** A layer's variable. */
export interface WeightLike {
  readonly originalName: string
  readonly dtype: string
  readonly shape: readonly (number | null)[]
  readonly trainable: boolean
  /** What will make its value when it is first read, where it has none yet: see `withoutWeights`. */
  readonly pending?: { readonly className: string; readonly config: Readonly<Record<string, unknown>> } | undefined
  read(): { data(): Promise<Float32Array | Int32Array | Uint8Array | readonly string[]> }
}
