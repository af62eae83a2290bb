import type { FillParams, FittedFeature, MeanVariance } from '@millrace/core'
import { cast, missingNumber, type FeatureLowering } from './feature-context.js'

/** Keras' epsilon: a standard deviation is never smaller. */
const LEAST_DEVIATION = 1e-7

type Standardize = FittedFeature<MeanVariance, FillParams>

/** `(x - mean) / max(√variance, 1e-7)` in float32. */
export const lowerStandardize: FeatureLowering = {
  lower: ({ graph, feature }, raw) => {
    const { mean, variance } = (feature as Standardize).state
    const centered = graph.one('Sub', [cast(graph, raw, 'float32'), graph.scalar('float32', mean, 'mean')])
    const deviation = Math.max(Math.sqrt(variance), LEAST_DEVIATION)
    return graph.one('RealDiv', [centered, graph.scalar('float32', deviation, 'deviation')])
  },
  missing: (feature) => missingNumber(feature, (feature as Standardize).params.fill ?? (feature as Standardize).state.mean),
}
