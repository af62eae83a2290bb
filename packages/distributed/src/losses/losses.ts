import { failure } from '@millrace/core'
import { binaryCrossentropy, categoricalCrossentropy, kullbackLeiblerDivergence, sparseCategoricalCrossentropy } from './cross-entropy.js'
import { categoricalHinge, hinge, squaredHinge } from './hinge.js'
import type { Loss } from './loss.js'
import {
  cosineProximity, logcosh, meanAbsoluteError, meanAbsolutePercentageError, meanSquaredError, meanSquaredLogarithmicError, poisson,
} from './regression.js'

/** Losses by the names that `model.compile` of TensorFlow.js knows, with its arithmetic (`tfjs-layers/src/losses.ts`). */
export const losses = {
  meanSquaredError,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredLogarithmicError,
  squaredHinge,
  hinge,
  categoricalHinge,
  logcosh,
  categoricalCrossentropy,
  sparseCategoricalCrossentropy,
  binaryCrossentropy,
  kullbackLeiblerDivergence,
  poisson,
  cosineProximity,
} as const satisfies Record<string, Loss>

/** Name of a loss. */
export type LossName = keyof typeof losses

/** The loss of a name, or the loss itself. @throws `Usage` for a name that is none */
export const findLoss = (loss: LossName | Loss): Loss => {
  if (typeof loss === 'function') return loss
  if (Object.hasOwn(losses, loss)) return losses[loss]
  throw failure({ tag: 'Usage', code: 'LOSS_UNKNOWN', problem: `there is no loss "${loss}"`, remedy: `Losses are ${Object.keys(losses).join(', ')}.` })
}
