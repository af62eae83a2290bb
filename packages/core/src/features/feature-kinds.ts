import { failure } from '../errors/index.js'
import type { FeatureKind } from './feature.js'
import { bucketizeKind } from './kinds/bucketize.js'
import { dayOfWeekKind } from './kinds/day-of-week.js'
import { greaterThanKind } from './kinds/greater-than.js'
import { hashBucketKind } from './kinds/hash-bucket.js'
import { hourOfDayKind } from './kinds/hour-of-day.js'
import { identityKind } from './kinds/identity.js'
import { minMaxKind } from './kinds/min-max.js'
import { oneHotKind } from './kinds/one-hot.js'
import { standardizeKind } from './kinds/standardize.js'
import { vocabularyKind } from './kinds/vocabulary.js'
import { wordsKind } from './kinds/words.js'

const kinds = new Map<string, FeatureKind>(
  [
    vocabularyKind, standardizeKind, minMaxKind, bucketizeKind, hashBucketKind, oneHotKind, identityKind, hourOfDayKind, dayOfWeekKind,
    greaterThanKind, wordsKind,
  ].map((kind) => [kind.kind, kind]),
)

/**
 * Adds a kind of feature to the table, so that `features({...})` fits, applies and restores features of that kind. Exporting
 * models that take them needs a lowering too: `registerFeatureLowering` of `@millrace/export`.
 *
 * @throws `Usage` when the name is taken
 */
export const registerFeatureKind = (kind: FeatureKind): void => {
  if (kinds.has(kind.kind)) {
    throw failure({ tag: 'Usage', code: 'KIND_TAKEN', problem: `there is a kind of feature named ${kind.kind} already`, remedy: 'Choose another name.' })
  }
  kinds.set(kind.kind, kind)
}

/** The kind of that name. @throws `Schema` that lists the kinds there are */
export const featureKind = (name: string): FeatureKind => {
  const kind = kinds.get(name)
  if (kind !== undefined) return kind
  throw failure({
    tag: 'Schema',
    code: 'UNKNOWN_FEATURE_KIND',
    problem: `there is no kind of feature named ${name}`,
    remedy: `Known kinds: ${[...kinds.keys()].join(', ')}. Others are added by registerFeatureKind().`,
  })
}
