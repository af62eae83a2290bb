import type { FittedFeature, VocabularyParams, VocabularyState } from '@millrace/core'
import type { Graph, Tensor } from '../../graph/index.js'
import { asText, cast, missingText, type FeatureContext, type FeatureLowering } from './feature-context.js'

/** Where tokens and buckets are among the indices of a categorical feature. */
export interface VocabularyLayout {
  readonly tokens: readonly string[]
  readonly oovBuckets: number
  /** Index of the first bucket; the tokens come after the last. */
  readonly first: number
}

/** Index of each text, int64: the rank of a token after the buckets, or the bucket of the text's hash. */
export const vocabularyIndex = (graph: Graph, { tokens, oovBuckets, first }: VocabularyLayout, texts: Tensor, rankIn: FeatureContext['rank'], unknownOf = (bucket: Tensor) => bucket): Tensor => {
  const hash = graph.one('StringToHashBucketFast', [texts], { num_buckets: oovBuckets })
  const unknown = unknownOf(first === 0 ? hash : graph.one('AddV2', [hash, graph.scalar('int64', first, 'first_bucket')]))
  if (tokens.length === 0) return unknown
  const rank = rankIn(tokens, texts)
  const found = graph.one('GreaterEqual', [rank, graph.scalar('int64', 0n)])
  const known = graph.one('AddV2', [rank, graph.scalar('int64', first + oovBuckets, 'first_token')])
  return graph.one('SelectV2', [found, known, unknown])
}

/**
 * `[mask?] [oovBuckets] [tokens]`: the rank of the text in the table, after the mask and the buckets; a text that is not in the
 * table goes to the bucket of its hash, and the mask token to 0.
 */
export const lowerVocabulary: FeatureLowering = {
  lower: ({ graph, feature, rank }, raw) => {
    const { params: { maskToken, oovBuckets }, state: { tokens } } = feature as FittedFeature<VocabularyState, VocabularyParams>
    const texts = asText(graph, raw)
    const masked = (bucket: Tensor): Tensor => {
      if (maskToken === null) return bucket
      const isMask = graph.one('Equal', [texts, graph.scalar('string', maskToken, 'mask_token')])
      return graph.one('SelectV2', [isMask, graph.scalar('int64', 0n, 'mask'), bucket])
    }
    return cast(graph, vocabularyIndex(graph, { tokens, oovBuckets, first: maskToken === null ? 0 : 1 }, texts, rank, masked), 'int32')
  },
  missing: missingText,
}
