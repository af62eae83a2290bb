import { failure } from '@millrace/core'
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
import { lowerWords } from './words.js'

const lowerings = new Map<string, FeatureLowering>(Object.entries({
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
  words: lowerWords,
}))

/**
 * Adds how a kind of feature becomes part of a graph, so that models with features of that kind can be exported. The other half
 * of core's `registerFeatureKind`: both have to give the same numbers.
 *
 * @param kind - the name that `registerFeatureKind` was given
 * @example
 * registerFeatureLowering('negated', { lower: ({ graph }, raw) => graph.one('Neg', [graph.one('Cast', [raw], { DstT: 'float32' })]) })
 * @throws `Usage` when there is a lowering of that kind already
 */
export const registerFeatureLowering = (kind: string, lowering: FeatureLowering): void => {
  if (lowerings.has(kind)) {
    throw failure({ tag: 'Usage', code: 'LOWERING_TAKEN', problem: `features of kind ${kind} have a lowering already`, remedy: 'Give your kind of feature another name.' })
  }
  lowerings.set(kind, lowering)
}

/** The lowering of that kind of feature; `undefined` when there is none. */
export const featureLowering = (kind: string): FeatureLowering | undefined => lowerings.get(kind)

/** Kinds of feature that can be lowered. */
export const loweredKinds = (): readonly string[] => [...lowerings.keys()]
