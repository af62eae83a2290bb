import type { FittedFeature, IdentityParams } from '@millrace/core'
import { cast, missingNumber, type FeatureLowering } from './feature-context.js'

/** The number as it is, as the int32 or float32 of the feature's column. */
export const lowerIdentity: FeatureLowering = {
  lower: ({ graph, feature }, raw) => cast(graph, raw, feature.output.kind === 'float32' ? 'float32' : 'int32'),
  missing: (feature) => missingNumber(feature, (feature as FittedFeature<null, IdentityParams>).params.fill ?? 0),
}
