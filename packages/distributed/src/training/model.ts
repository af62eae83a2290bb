import { failure, loadPeer } from '@millrace/core'
import type { LayersModel } from '@tensorflow/tfjs'

/** The module `@tensorflow/tfjs`. */
export type TensorFlow = typeof import('@tensorflow/tfjs')

/** What we need to know of a `tf.LayersModel`, so that our declarations do not need TensorFlow.js. */
export interface TrainableModel {
  readonly inputNames: string[]
  readonly outputNames: string[]
  readonly metricsNames: string[]
  trainOnBatch(x: never, y: never): Promise<number | number[]>
  evaluate(x: never, y: never, args: never): unknown
}

/** @throws `MissingPeer` */
export const loadTensorFlow = async (use: string): Promise<TensorFlow> => {
  const module = await loadPeer('@tensorflow/tfjs', use, () => import('@tensorflow/tfjs'))
  // A CommonJS module: its names are all on `default`, and only those that Node could guess are on the namespace.
  return (module as TensorFlow & { readonly default?: TensorFlow }).default ?? module
}

/** The model as TensorFlow.js knows it. @throws `Model` when it has not been compiled */
export const compiled = (model: TrainableModel): LayersModel => {
  const layers = model as unknown as LayersModel
  if ((layers.optimizer as unknown) === undefined || (layers.loss as unknown) === undefined) {
    throw failure({ tag: 'Model', code: 'NOT_COMPILED', problem: 'the model has no loss and no optimizer yet', remedy: "Call model.compile({ optimizer: 'adam', loss: 'binaryCrossentropy' }) first." })
  }
  return layers
}

/** What the optimizer has now; `undefined` for one that has none. */
export const learningRate = (layers: LayersModel): number | undefined => {
  const rate = (layers.optimizer as unknown as { readonly learningRate?: unknown }).learningRate
  return typeof rate === 'number' ? rate : undefined
}

/** Copies of a model's weights, to go back to. */
export class Snapshot {
  private held: { dispose(): void }[] = []

  constructor(private readonly model: LayersModel) {}

  /** Remembers the weights as they are, in place of those remembered before. */
  take(): void {
    const weights = this.model.getWeights()
    this.dispose()
    // A clone shares its data; optimizers assign new data to a variable and leave the old as it is.
    this.held = weights.map((weight) => weight.clone())
  }

  restore(): void {
    if (this.held.length > 0) this.model.setWeights(this.held as Parameters<LayersModel['setWeights']>[0])
  }

  dispose(): void {
    for (const weight of this.held) weight.dispose()
    this.held = []
  }
}
