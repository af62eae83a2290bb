import { fixedColumn, type Column } from '../../columns/index.js'
import { field, type Int32 } from '../../schema/index.js'
import type { TextLike } from '../accepts.js'
import type { Analyzer, Feature } from '../feature.js'
import { ByteTable } from '../text/byte-table.js'
import { hashBucketOf } from '../text/fingerprint64.js'
import { countTexts, mapTexts, textKinds } from '../text/texts.js'
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

const NEWLINE = 10
const RETURN = 13
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The token of the bytes, `undefined` where they cannot be one. */
const decodeToken = (bytes: Uint8Array): string | undefined => {
  if (bytes.length === 0 || bytes.includes(NEWLINE) || bytes.includes(RETURN)) return undefined
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

class VocabularyAnalyzer implements Analyzer<VocabularyState> {
  private readonly table = new ByteTable()
  private counts = new Float64Array(512)

  constructor(private readonly params: VocabularyParams) {}

  update(column: Column): void {
    countTexts(column, this.count)
  }

  private readonly count = (bytes: Uint8Array, start: number, end: number, times: number): void => {
    const entry = this.table.add(bytes, start, end)
    if (entry >= this.counts.length) {
      const grown = new Float64Array(this.counts.length * 2)
      grown.set(this.counts)
      this.counts = grown
    }
    this.counts[entry]! += times
  }

  finish(): VocabularyState {
    const { table, counts } = this
    const { topK = Infinity, minFrequency = 1, maskToken } = this.params
    const frequent = new Int32Array(table.size)
    let kept = 0
    for (let entry = 0; entry < table.size; entry++) if (counts[entry]! >= minFrequency) frequent[kept++] = entry
    const ordered = frequent.subarray(0, kept).sort((a, b) => counts[b]! - counts[a]! || table.compare(b, a))
    const tokens: string[] = []
    for (let i = 0; i < ordered.length && tokens.length < topK; i++) {
      const token = decodeToken(table.bytesOf(ordered[i]!))
      if (token !== undefined && token !== maskToken) tokens.push(token)
    }
    return { tokens }
  }
}

/** Whether a text of JSON could have come from {@link decodeToken}: vocabulary files hold no other. */
const isToken = (text: unknown): boolean => typeof text === 'string' && text !== '' && !/[\n\r]|\p{Surrogate}/u.test(text)

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
    const table = new ByteTable()
    for (const token of state.tokens) {
      const bytes = encoder.encode(token)
      table.add(bytes, 0, bytes.length)
    }
    const first = firstToken(params)
    const firstBucket = first - params.oovBuckets
    const mask = params.maskToken === null ? undefined : encoder.encode(params.maskToken)
    const indexOf = (bytes: Uint8Array, start: number, end: number): number => {
      const rank = table.find(bytes, start, end)
      if (rank >= 0) return first + rank
      if (mask !== undefined && mask.length === end - start && mask.every((byte, i) => byte === bytes[start + i])) return 0
      return firstBucket + hashBucketOf(bytes, start, end, params.oovBuckets)
    }
    return (column) => fixedColumn(field.int32(), mapTexts(column, indexOf))
  },
})
