import { fixedColumn, type Column } from '../../columns/index.js'
import { field, type Int32 } from '../../schema/index.js'
import type { TextLike } from '../accepts.js'
import type { Analyzer, Feature } from '../feature.js'
import { hashBucketOf } from '../text/fingerprint64.js'
import { countTexts, mapTexts, textKinds } from '../text/texts.js'
import { isToken, TokenCounter, tokenTable } from '../text/tokens.js'
import { defineKind, definedParams, isCount, requireInteger, type FromOption } from './define-kind.js'

/** Parameters of a `vocabulary` feature. */
export type VocabularyParams = {
  readonly topK?: number
  readonly minFrequency?: number
  readonly oovBuckets: number
  readonly maskToken: string | null
}

/** What a `vocabulary` feature learns: its tokens, by rank. */
export type VocabularyState = { readonly tokens: readonly string[] }

/** Options of {@link vocabulary}. */
export interface VocabularyOptions<From extends string | undefined> extends FromOption<From> {
  /** Keeps the most frequent tokens only. Default: all. */
  readonly topK?: number | undefined
  /** Keeps tokens seen at least this often (TensorFlow Transform's `frequency_threshold`). Default: all. */
  readonly minFrequency?: number | undefined
  /** Indices that share the tokens outside the vocabulary, by hash. At least 1, the default. */
  readonly oovBuckets?: number | undefined
  /** Token that means "nothing here" and gets index 0; `''` also stands for nulls. Default `null`: none. */
  readonly maskToken?: string | null | undefined
}

/**
 * Text (or integers, by their decimal text) to an int32 index: `[mask?] [oovBuckets] [tokens]`, as Keras' `StringLookup`.
 *
 * The tokens are those of the fitted column by descending frequency, ties in reverse order of their UTF-8 bytes, as
 * TensorFlow Transform's `vocabulary`. Never in the vocabulary are the empty text, texts with `\n` or `\r` (they would break
 * the vocabulary file), the mask token, and bytes that are not UTF-8. A text outside the vocabulary gets the index of bucket
 * Fingerprint64 mod `oovBuckets`. A null counts as the empty text.
 *
 * @example
 * features({ origin: vocabulary({ topK: 500 }) })
 */
export const vocabulary = <const From extends string | undefined = undefined>(options: VocabularyOptions<From> = {}): Feature<TextLike, Int32, From, 'input'> => {
  const { topK, minFrequency, oovBuckets = 1, maskToken = null } = options
  requireInteger('vocabulary', 'topK', topK, 1)
  requireInteger('vocabulary', 'minFrequency', minFrequency, 1)
  requireInteger('vocabulary', 'oovBuckets', oovBuckets, 1)
  return {
    kind: 'vocabulary', from: options.from as From, role: 'input', inner: undefined,
    params: definedParams({ topK, minFrequency, oovBuckets, maskToken }),
  }
}

class VocabularyAnalyzer implements Analyzer<VocabularyState> {
  private readonly counter = new TokenCounter()

  constructor(private readonly params: VocabularyParams) {}

  update(column: Column): void {
    countTexts(column, this.counter.add)
  }

  finish(): VocabularyState {
    return { tokens: this.counter.tokens(this.params) }
  }
}

const firstToken = (params: VocabularyParams): number => (params.maskToken === null ? 0 : 1) + params.oovBuckets

export const vocabularyKind = defineKind<VocabularyParams, VocabularyState>({
  kind: 'vocabulary',
  takes: textKinds,
  describe: ({ params, state }) => ({ output: field.int32(), cardinality: firstToken(params) + state.tokens.length }),
  check: ({ oovBuckets, maskToken }, { tokens }) =>
    isCount(oovBuckets) && (maskToken === null || typeof maskToken === 'string') && Array.isArray(tokens) &&
    tokens.every((token) => isToken(token) && token !== maskToken) && new Set(tokens).size === tokens.length,
  analyze: (params) => new VocabularyAnalyzer(params),
  compile: ({ params, state }) => {
    const table = tokenTable(state.tokens)
    const first = firstToken(params)
    const firstBucket = first - params.oovBuckets
    const mask = params.maskToken === null ? undefined : new TextEncoder().encode(params.maskToken)
    const indexOf = (bytes: Uint8Array, start: number, end: number): number => {
      const rank = table.find(bytes, start, end)
      if (rank >= 0) return first + rank
      if (mask !== undefined && mask.length === end - start && mask.every((byte, i) => byte === bytes[start + i])) return 0
      return firstBucket + hashBucketOf(bytes, start, end, params.oovBuckets)
    }
    return (column) => fixedColumn(field.int32(), mapTexts(column, indexOf))
  },
})
