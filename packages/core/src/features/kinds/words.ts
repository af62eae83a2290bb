import { DictionaryColumn, fixedColumn, ListColumn, type Column } from '../../columns/index.js'
import { field, type Field, type Int32, type List, type Utf8 } from '../../schema/index.js'
import type { Analyzer, Feature } from '../feature.js'
import { WordReader } from '../text/each-word.js'
import { hashBucketOf } from '../text/fingerprint64.js'
import { countTexts, mapTexts } from '../text/texts.js'
import { isToken, TokenCounter, tokenTable } from '../text/tokens.js'
import { defineKind, definedParams, isCount, refuseFeature, requireInteger, type FromOption } from './define-kind.js'
import type { VocabularyState } from './vocabulary.js'

/** A column of text. */
export type TextColumn = Field<string | null, 'utf8', boolean> | Field<string | null, 'dictionary', boolean, Utf8>

/** Parameters of a `words` feature. */
export type WordsParams = {
  readonly maxWords: number
  readonly topK?: number
  readonly minFrequency?: number
  readonly oovBuckets: number
}

/** Options of {@link words}. */
export interface WordsOptions<From extends string | undefined> extends FromOption<From> {
  /** Words of a text that are kept, its first ones: the length of the lists. 1 to 16,384. */
  readonly maxWords: number
  /** Keeps the most frequent words of all texts only. Default: all. */
  readonly topK?: number | undefined
  /** Keeps words seen at least this often. Default: all. */
  readonly minFrequency?: number | undefined
  /** Indices that share the words outside the vocabulary, by hash. At least 1, the default. */
  readonly oovBuckets?: number | undefined
}

/** A batch of 4,096 texts then takes 256 MiB. */
const MAX_WORDS = 16_384

/**
 * Text to an int32 list of its first `maxWords` words: `[0 for none] [oovBuckets] [tokens]`, the end of a short text filled with 0.
 *
 * A word is a run of ASCII letters, digits, apostrophes and characters beyond ASCII; ASCII letters are lower-cased. The vocabulary
 * is that of {@link vocabulary} over all words of the column, `Keras`' `TextVectorization` with an `int` output but for the rule that
 * cuts words. A null counts as the empty text.
 *
 * @example
 * features({ text: words({ maxWords: 200, topK: 10_000 }), spam: label(identity()) })
 */
export const words = <const From extends string | undefined = undefined>(options: WordsOptions<From>): Feature<TextColumn, List<Int32>, From, 'input'> => {
  const { maxWords, topK, minFrequency, oovBuckets = 1 } = options
  requireInteger('words', 'maxWords', maxWords, 1)
  if (maxWords > MAX_WORDS) refuseFeature(`words: maxWords is ${maxWords}, and a list has at most ${MAX_WORDS} items`, 'Keep fewer words.')
  requireInteger('words', 'topK', topK, 1)
  requireInteger('words', 'minFrequency', minFrequency, 1)
  requireInteger('words', 'oovBuckets', oovBuckets, 1)
  return {
    kind: 'words', from: options.from as From, role: 'input', inner: undefined,
    params: definedParams({ maxWords, topK, minFrequency, oovBuckets }),
  }
}

class WordsAnalyzer implements Analyzer<VocabularyState> {
  private readonly counter = new TokenCounter()
  private readonly reader = new WordReader()

  constructor(private readonly params: WordsParams) {}

  update(column: Column): void {
    const { counter, reader } = this
    countTexts(column, (bytes, start, end, times) => {
      reader.open(bytes, start, end)
      while (reader.next()) counter.add(reader.bytes, 0, reader.length, times)
    })
  }

  finish(): VocabularyState {
    return { tokens: this.counter.tokens({ ...this.params, maskToken: null }) }
  }
}

export const wordsKind = defineKind<WordsParams, VocabularyState>({
  kind: 'words',
  takes: ['utf8', 'dictionary'],
  describe: ({ params, state }) => ({
    output: field.list(field.int32(), { size: params.maxWords }),
    cardinality: 1 + params.oovBuckets + state.tokens.length,
  }),
  check: ({ maxWords, oovBuckets }, { tokens }) =>
    isCount(maxWords) && maxWords <= MAX_WORDS && isCount(oovBuckets) && Array.isArray(tokens) && tokens.every(isToken) && new Set(tokens).size === tokens.length,
  analyze: (params) => new WordsAnalyzer(params),
  compile: ({ params: { maxWords, oovBuckets }, state: { tokens } }) => {
    const table = tokenTable(tokens)
    const output = field.list(field.int32(), { size: maxWords })
    const reader = new WordReader()
    return (column) => {
      const indices = new Int32Array(column.length * maxWords)
      let start = 0
      const fill = (bytes: Uint8Array, from: number, to: number): void => {
        reader.open(bytes, from, to)
        for (let word = 0; word < maxWords && reader.next(); word++) {
          const rank = table.find(reader.bytes, 0, reader.length)
          indices[start + word] = 1 + (rank >= 0 ? oovBuckets + rank : hashBucketOf(reader.bytes, 0, reader.length, oovBuckets))
        }
      }
      mapTexts(column instanceof DictionaryColumn ? column.expand() : column, (bytes, from, to) => {
        fill(bytes, from, to)
        start += maxWords
        return 0
      })
      const offsets = Int32Array.from({ length: column.length + 1 }, (_, row) => row * maxWords)
      return new ListColumn(output, offsets, fixedColumn(field.int32(), indices), undefined)
    }
  },
})
