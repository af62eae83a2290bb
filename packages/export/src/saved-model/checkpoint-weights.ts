import { failure, throwIfAborted } from '@millrace/core'
import { openCheckpoint, type Checkpoint, type NamedTensor } from '../checkpoint/index.js'
import type { NumericData } from '../graph/index.js'
import { describeModel, readModel, type ModelDescription, type ModelLike, type WeightDescription } from '../lower/index.js'

/** Where the values of a model's variables come from. */
export interface WeightOptions {
  /**
   * A checkpoint that has the values, by the names of the variables: its prefix, path or URL, or one that was opened. Default: the
   * values that the model has. Tables in slices are put together, however they were partitioned.
   */
  readonly checkpoint?: string | Checkpoint | undefined
}

/** A model to export: of TensorFlow.js, or described, with the values of its variables or a checkpoint that has them. */
export type ExportableModel = ModelLike | ModelDescription

const isDescription = (model: ExportableModel): model is ModelDescription => 'calls' in model

const openWeights = async (source: string | Checkpoint, model: ModelDescription, signal: AbortSignal | undefined): Promise<Checkpoint> => {
  const checkpoint = typeof source === 'string' ? await openCheckpoint(source, signal) : source
  for (const weight of model.layers.flatMap(({ weights }) => weights)) checkWeight(checkpoint, weight)
  return checkpoint
}

const checkWeight = ({ entries, prefix }: Checkpoint, { name, dtype, shape }: WeightDescription): void => {
  const entry = entries.get(name)
  const bad = (problem: string): Error => failure({ tag: 'Model', code: 'CHECKPOINT_MISMATCH', problem, remedy: 'Give the checkpoint of this very model.', position: { source: `${prefix}.index` } })
  if (entry === undefined) throw bad(`the checkpoint has no variable ${name}`)
  if (entry.dtype === dtype && entry.shape.length === shape.length && entry.shape.every((size, axis) => size === shape[axis])) return
  throw bad(`${name} is ${entry.dtype}[${entry.shape.join(',')}] in the checkpoint, and ${dtype}[${shape.join(',')}] in the model`)
}

/** A model with all values in memory, as a graph of constants needs them. */
export const valuedModel = async (model: ExportableModel, { checkpoint: source }: WeightOptions, signal: AbortSignal | undefined): Promise<ModelDescription> => {
  if (source === undefined) return isDescription(model) ? model : readModel(model)
  const description = isDescription(model) ? model : describeModel(model)
  const checkpoint = await openWeights(source, description, signal)
  const valued = async (weight: WeightDescription): Promise<WeightDescription> => {
    const { dtype, shape, data } = await checkpoint.read(weight.name, signal)
    return { ...weight, value: { dtype, shape, data: data as NumericData } }
  }
  const layers = []
  for (const layer of description.layers) layers.push({ ...layer, weights: await Promise.all(layer.weights.map(valued)) })
  return { ...description, layers }
}

/** A model, and its values to write: those of a checkpoint come in blocks, so that no table is ever in memory whole. */
export interface StreamedModel {
  readonly description: ModelDescription
  /** @throws `Model` for a variable whose value nobody has */
  values(weights: readonly WeightDescription[], signal: AbortSignal | undefined): AsyncIterable<NamedTensor>
}

export const streamedModel = async (model: ExportableModel, { checkpoint: source }: WeightOptions, signal: AbortSignal | undefined): Promise<StreamedModel> => {
  if (source === undefined) return { description: await valuedModel(model, {}, signal), values: ownValues }
  const description = isDescription(model) ? model : describeModel(model)
  const checkpoint = await openWeights(source, description, signal)
  return {
    description,
    async *values(weights, stop) {
      for (const { name, dtype, shape } of weights) {
        throwIfAborted(stop)
        yield { name, value: { dtype, shape, blocks: elements(checkpoint, name, stop) } }
      }
    },
  }
}

async function* elements(checkpoint: Checkpoint, name: string, signal: AbortSignal | undefined): AsyncGenerator<NumericData> {
  for await (const { data } of checkpoint.blocks(name, { signal })) yield data as NumericData
}

async function* ownValues(weights: readonly WeightDescription[]): AsyncGenerator<NamedTensor> {
  for (const { name, value } of weights) {
    if (value === undefined) {
      throw failure({ tag: 'Model', code: 'EXPORT_NO_VALUE', problem: `the value of "${name}" is not known`, remedy: 'Give a checkpoint that has it, or describe the model with readModel(model).' })
    }
    yield { name, value }
  }
}
