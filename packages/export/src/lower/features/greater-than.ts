import type { FittedFeature, GreaterThanParams } from '@millrace/core'
import { cast, missingNumber, type FeatureLowering } from './feature-context.js'

type GreaterThan = FittedFeature<null, GreaterThanParams>

/** 1 above the threshold, else 0, compared as float32. */
export const lowerGreaterThan: FeatureLowering = {
  lower: ({ graph, feature }, raw) => {
    const { threshold } = (feature as GreaterThan).params
    const above = graph.one('Greater', [cast(graph, raw, 'float32'), graph.scalar('float32', threshold, 'threshold')])
    return cast(graph, above, 'int32')
  },
  missing: (feature) => missingNumber(feature, (feature as GreaterThan).params.fill ?? 0),
}
