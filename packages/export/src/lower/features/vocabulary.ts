import type { FittedFeature, VocabularyParams, VocabularyState } from '@millrace/core'
import { asText, cast, missingText, type FeatureLowering } from './feature-context.js'

/**
 * `[mask?] [oovBuckets] [tokens]`: the rank of the text in the table, after the mask and the buckets; a text that is not in the
 * table goes to the bucket of its hash, and the mask token to 0.
 */
export const lowerVocabulary: FeatureLowering = {
  lower: ({ graph, feature, rank: rankIn }, raw) => {
    const { params, state } = feature as FittedFeature<VocabularyState, VocabularyParams>
    const texts = asText(graph, raw)
    const firstBucket = params.maskToken === null ? 0 : 1
    const hash = graph.one('StringToHashBucketFast', [texts], { num_buckets: params.oovBuckets })
    let unknown = firstBucket === 0 ? hash : graph.one('AddV2', [hash, graph.scalar('int64', firstBucket, 'first_bucket')])
    if (params.maskToken !== null) {
      const masked = graph.one('Equal', [texts, graph.scalar('string', params.maskToken, 'mask_token')])
      unknown = graph.one('SelectV2', [masked, graph.scalar('int64', 0n, 'mask'), unknown])
    }
    if (state.tokens.length === 0) return cast(graph, unknown, 'int32')
    const rank = rankIn(state.tokens, texts)
    const found = graph.one('GreaterEqual', [rank, graph.scalar('int64', 0n)])
    const known = graph.one('AddV2', [rank, graph.scalar('int64', firstBucket + params.oovBuckets, 'first_token')])
    return cast(graph, graph.one('SelectV2', [found, known, unknown]), 'int32')
  },
  missing: missingText,
}
