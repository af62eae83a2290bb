import { failure } from '@millrace/core'
import { readModel, type ModelDescription } from './describe-model.js'
import type { ModelLike } from './model-like.js'
import { withoutWeights, type TensorFlowLayersLike } from './without-weights.js'

/** What is used of TensorFlow.js: `tf` itself fits. */
export interface TensorFlowModelsLike extends TensorFlowLayersLike {
  readonly models: { modelFromJSON(config: never): Promise<DisposableModel> }
}

type DisposableModel = ModelLike & { dispose(): unknown }

const topologyOf = (config: object | string): object => {
  const parsed = typeof config === 'string' ? parse(config) : config
  const topology = 'modelTopology' in parsed ? parsed.modelTopology : parsed
  if (typeof topology === 'object' && topology !== null) return topology
  throw failure({ tag: 'Model', code: 'MODEL_CONFIG', problem: 'the modelTopology is no object' })
}

const parse = (text: string): object => {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null) return parsed
  } catch (cause) {
    throw failure({ tag: 'Model', code: 'MODEL_CONFIG', problem: 'the configuration of the model is not JSON', cause })
  }
  throw failure({ tag: 'Model', code: 'MODEL_CONFIG', problem: 'the configuration of the model is no object' })
}

/**
 * A model from its configuration alone, its shapes as TensorFlow.js infers them: what {@link describeModel} says of the model, without
 * its weights being built, however large they are. Variables get their first values where they are placed.
 *
 * @param config - what `model.toJSON()` gives, as text or object; a `model.json`, whose weights are left alone; Keras's `to_json()`
 * @throws `Model` for what is no configuration, or TensorFlow.js cannot build
 */
export const describeModelConfig = async (tf: TensorFlowModelsLike, config: object | string): Promise<ModelDescription> => {
  const topology = topologyOf(config)
  const model = await build(tf, topology)
  try {
    return await readModel(model)
  } finally {
    model.dispose()
  }
}

const build = async (tf: TensorFlowModelsLike, modelTopology: object): Promise<DisposableModel> => {
  try {
    // Without weights to load, everything happens before the promise is there.
    return await withoutWeights(tf, () => tf.models.modelFromJSON({ modelTopology } as never))
  } catch (cause) {
    throw failure({ tag: 'Model', code: 'MODEL_CONFIG', problem: 'TensorFlow.js cannot build a model from its configuration', cause })
  }
}
