import { fixedColumn } from '../../columns/index.js'
import { field, type Int32 } from '../../schema/index.js'
import type { TextLike } from '../accepts.js'
import type { Feature } from '../feature.js'
import { hashBucketOf } from '../text/fingerprint64.js'
import { mapTexts, textKinds } from '../text/texts.js'
import { defineKind, isCount, requireInteger, type FromOption } from './define-kind.js'

/** Parameters of a `hashBucket` feature. */
export type HashBucketParams = { readonly buckets: number }

/** Options of {@link hashBucket}. */
export interface HashBucketOptions<From extends string | undefined> extends FromOption<From> {
  /** Number of buckets. */
  readonly buckets: number
}

/**
 * Text (or integers, by their decimal text) to int32: Fingerprint64 mod `buckets`, as `tf.strings.to_hash_bucket_fast` and
 * Keras' `Hashing`. Needs no fitting. A null counts as the empty text.
 */
export const hashBucket = <const From extends string | undefined = undefined>(options: HashBucketOptions<From>): Feature<TextLike, Int32, From, 'input'> => {
  requireInteger('hashBucket', 'buckets', options.buckets, 1)
  return { kind: 'hashBucket', from: options.from as From, role: 'input', inner: undefined, params: { buckets: options.buckets } }
}

export const hashBucketKind = defineKind<HashBucketParams, null>({
  kind: 'hashBucket',
  takes: textKinds,
  describe: ({ params }) => ({ output: field.int32(), cardinality: params.buckets }),
  check: ({ buckets }) => isCount(buckets),
  compile: ({ params: { buckets } }) => {
    const bucketOf = (bytes: Uint8Array, start: number, end: number): number => hashBucketOf(bytes, start, end, buckets)
    return (column) => fixedColumn(field.int32(), mapTexts(column, bucketOf))
  },
})
