import { modelVariables, type CallOptions, type ModelLike, type NumericData, type Session } from '@millrace/export'
import type { LoweredVariable } from '@millrace/export'
import type { Tensor } from '@tensorflow/tfjs'
import { fetchableVariables, joinFetched, type WholeVariable } from '../placement/index.js'
import { loadTensorFlow } from '../training/model.js'

/** Weights of a model as the parameter servers have them. */
export interface FetchedWeights {
  readonly values: readonly (readonly [whole: WholeVariable, data: NumericData])[]
  /** Names of those that are too large. */
  readonly left: readonly string[]
}

/** Fetches the model's variables, one at a time, but for those with more than `limitBytes` bytes. */
export const fetchWeights = async (session: Session, model: ModelLike, variables: readonly LoweredVariable[], limitBytes: number | undefined, limits: CallOptions): Promise<FetchedWeights> => {
  const names = [...modelVariables(model).keys()]
  const values: (readonly [WholeVariable, NumericData])[] = []
  for (const whole of fetchableVariables(variables, limitBytes)) {
    if (!names.includes(whole.name)) continue
    const parts = await session.run({ fetches: whole.parts.map(({ value }) => value.name) }, limits)
    values.push([whole, joinFetched(whole, parts.map(({ data }) => data as NumericData))])
  }
  const known = new Set(values.map(([{ name }]) => name))
  return { values, left: names.filter((name) => !known.has(name)) }
}

/** Gives the model the weights. */
export const writeWeights = async (model: ModelLike, { values }: FetchedWeights): Promise<void> => {
  const tf = await loadTensorFlow('trainOnCluster')
  const variables = modelVariables(model)
  for (const [{ name, shape, dtype }, data] of values) {
    const tensor = tf.tensor(data as Float32Array, [...shape], dtype as 'float32')
    ;(variables.get(name) as unknown as { write(value: Tensor): void }).write(tensor)
    tensor.dispose()
  }
}
