import { failure } from '@millrace/core'
import type { InitializerDescription } from './describe-model.js'

/** What is used of TensorFlow.js: `tf` itself fits. */
export interface TensorFlowLayersLike {
  readonly layers: { readonly Layer: { readonly prototype: object } }
  zeros(shape: number[], dtype?: 'float32'): Disposable
  variable(value: never, trainable?: boolean, name?: string, dtype?: 'float32'): Disposable
}

interface Disposable {
  dispose(): void
}

/** A `tf.initializers.Initializer`. */
interface Initializer {
  getClassName(): string
  getConfig(): object
  apply(shape: readonly number[], dtype?: string): Disposable & { readonly shape: readonly number[] }
}

/** A `LayerVariable`, with what it keeps to itself. */
interface Weight {
  shape: readonly number[]
  val: Disposable
  readonly name: string
  readonly dtype: string
  readonly trainable: boolean
  pending?: InitializerDescription
  read(): unknown
  write(value: { readonly shape: readonly number[] }): unknown
}

type AddWeight = (
  this: unknown, name: string, shape: readonly number[], dtype: string | null | undefined, initializer: Pick<Initializer, 'apply'>, regularizer: unknown,
  trainable: boolean | undefined, constraint: unknown, getInitializer: (() => Pick<Initializer, 'apply'>) | undefined,
) => Weight

/** Those that TensorFlow can follow by itself; all others are small or of the user's own, and make their values at once. */
const known: ReadonlySet<string> = new Set([
  'Zeros', 'Ones', 'Constant', 'RandomNormal', 'RandomUniform', 'TruncatedNormal', 'VarianceScaling', 'Orthogonal', 'Identity',
])

/**
 * Builds models of TensorFlow.js whose variables have no values yet, so that an embedding larger than this machine's memory costs
 * nothing here. The code that builds them is as ever. {@link describeModel} and {@link readModel} say of such a variable how it is to
 * be initialized, and parameter servers make its first value. In all else the model is like any other: a variable gets its value
 * here when it is first read (`predict`, `fit`, `save`) or set.
 *
 * @param tf - the TensorFlow.js whose layers `body` uses
 * @param body - builds models. What it does after its first `await` is not seen
 * @returns what `body` returns
 * @example
 * const model = withoutWeights(tf, () => tf.sequential({ layers: [tf.layers.embedding({ inputDim: 1e8, outputDim: 64, inputLength: 1 }), …] }))
 */
export const withoutWeights = <A>(tf: TensorFlowLayersLike, body: () => A): A => {
  const prototype = tf.layers.Layer.prototype as { addWeight: AddWeight }
  const { addWeight } = prototype
  const empty = { apply: () => tf.zeros([0]) } as unknown as Initializer
  prototype.addWeight = function (name, shape, dtype, initializer, regularizer, trainable, constraint, getInitializer) {
    const own = initializer as Initializer
    if (!known.has(own.getClassName())) return addWeight.call(this, name, shape, dtype, initializer, regularizer, trainable, constraint, getInitializer)
    const weight = addWeight.call(this, name, [0], dtype, empty, regularizer, trainable, constraint, () => empty)
    return leavePending(tf, weight, shape, own)
  }
  try {
    return body()
  } finally {
    prototype.addWeight = addWeight
  }
}

/** Makes the first read or write of a weight give it its tensor. */
const leavePending = (tf: TensorFlowLayersLike, weight: Weight, shape: readonly number[], initializer: Initializer): Weight => {
  const settle = (value: Disposable): void => {
    delete weight.pending
    delete (weight as Partial<Weight>).read
    delete (weight as Partial<Weight>).write
    weight.val.dispose()
    weight.val = tf.variable(value as never, weight.trainable, weight.name, weight.dtype as 'float32')
  }
  return Object.assign(weight, {
    shape,
    pending: { className: initializer.getClassName(), config: initializer.getConfig() as InitializerDescription['config'] },
    read: () => {
      const value = initializer.apply(shape, weight.dtype)
      settle(value)
      value.dispose()
      return weight.read()
    },
    write: (value: Disposable & { readonly shape: readonly number[] }) => {
      if (String(value.shape) !== String(shape)) {
        throw failure({ tag: 'Usage', code: 'MODEL_WEIGHT_SHAPE', problem: `"${weight.name}" has shape [${shape.join(', ')}], the value given [${value.shape.join(', ')}]` })
      }
      settle(value)
      return weight.write(value)
    },
  })
}
