import { lowerBucketize } from './bucketize.js'
import type { FeatureLowering } from './feature-context.js'
import { lowerGreaterThan } from './greater-than.js'
import { lowerHashBucket } from './hash-bucket.js'
import { lowerIdentity } from './identity.js'
import { lowerMinMax } from './min-max.js'
import { lowerOneHot } from './one-hot.js'
import { lowerStandardize } from './standardize.js'
import { lowerDayOfWeek, lowerHourOfDay } from './times.js'
import { lowerVocabulary } from './vocabulary.js'

/** Every kind of feature that can be lowered, by its name in the table of kinds. */
export const featureLowerings: Readonly<Record<string, FeatureLowering>> = {
  bucketize: lowerBucketize,
  dayOfWeek: lowerDayOfWeek,
  greaterThan: lowerGreaterThan,
  hashBucket: lowerHashBucket,
  hourOfDay: lowerHourOfDay,
  identity: lowerIdentity,
  minMax: lowerMinMax,
  oneHot: lowerOneHot,
  standardize: lowerStandardize,
  vocabulary: lowerVocabulary,
}
