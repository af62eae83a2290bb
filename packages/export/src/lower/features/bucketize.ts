import type { BucketizeParams, BucketizeState, FittedFeature } from '@millrace/core'
import { cast, missingNumber, type FeatureLowering } from './feature-context.js'

/** How many boundaries are not above the number. */
export const lowerBucketize: FeatureLowering = {
  lower: ({ graph, feature }, raw) => {
    const { boundaries } = (feature as FittedFeature<BucketizeState>).state
    return graph.one('Bucketize', [cast(graph, raw, 'float32')], { boundaries })
  },
  missing: (feature) => missingNumber(feature, (feature as FittedFeature<BucketizeState, BucketizeParams>).params.fill ?? 0),
}
