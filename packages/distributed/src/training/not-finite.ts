import { failure } from '@millrace/core'
import type { LayersModel } from '@tensorflow/tfjs'

const REMEDY = 'Lower the learning rate, and see that inputs, labels and the weights of rows hold no NaN and no infinities, and that inputs are standardised.'

/** A loss that is no number any more. @param when - `at step 7` */
export const lossNotFinite = (loss: number | undefined, when: string): Error =>
  failure({ tag: 'Model', code: 'LOSS_NOT_FINITE', problem: `the loss is ${loss} ${when}`, remedy: REMEDY })

/** Weights that are no numbers any more. The loss need not tell: TensorFlow's relu makes 0 of NaN. */
export const weightsNotFinite = (names: readonly string[]): Error => {
  const more = names.length > 3 ? ` and ${names.length - 3} more` : ''
  return failure({
    tag: 'Model', code: 'WEIGHTS_NOT_FINITE', problem: `training has made weights that are NaN or infinite: ${names.slice(0, 3).map((name) => `"${name}"`).join(', ')}${more}`, remedy: REMEDY,
  })
}

const isFinite = (values: ArrayLike<number>): boolean => {
  for (let at = 0; at < values.length; at += 1) if (!Number.isFinite(values[at])) return false
  return true
}

/** @throws `Model` when weights of the model are no numbers any more */
export const checkWeights = async ({ weights }: Pick<LayersModel, 'weights'>): Promise<void> => {
  const broken: string[] = []
  for (const weight of weights) if (!isFinite(await weight.read().data())) broken.push(weight.originalName)
  if (broken.length > 0) throw weightsNotFinite(broken)
}
