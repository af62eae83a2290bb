import type { FittedFeature, HashBucketParams } from '@millrace/core'
import { asText, cast, missingText, type FeatureLowering } from './feature-context.js'

/** Fingerprint64 of the text, modulo the number of buckets. */
export const lowerHashBucket: FeatureLowering = {
  lower: ({ graph, feature }, raw) => {
    const { params } = feature as FittedFeature<null, HashBucketParams>
    return cast(graph, graph.one('StringToHashBucketFast', [asText(graph, raw)], { num_buckets: params.buckets }), 'int32')
  },
  missing: missingText,
}
