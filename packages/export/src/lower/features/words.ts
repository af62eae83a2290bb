import type { FittedFeature, VocabularyState, WordsParams } from '@millrace/core'
import { cast, type FeatureLowering } from './feature-context.js'
import { vocabularyIndex } from './vocabulary.js'

/** All that is between words, as RE2 writes it: what core's `WordReader` keeps, but for upper-case letters. */
const BETWEEN_WORDS = "[^0-9a-z'\\x{80}-\\x{10FFFF}]+"

/**
 * ASCII letters in lower case, all that is between words made a space, the words looked up, and their indices put into rows that are
 * filled with 0.
 */
export const lowerWords: FeatureLowering = {
  lower: ({ graph, feature, rank }, raw) => {
    const { params, state } = feature as FittedFeature<VocabularyState, WordsParams>
    const text = (value: string, name: string) => graph.scalar('string', value, name)
    const spaced = graph.one('RegexReplace', [graph.one('StringLower', [raw]), text(BETWEEN_WORDS, 'between'), text(' ', 'space')])
    const split = graph.add('StringSplitV2', [spaced, text('', 'white_space')], {}, { name: 'words' })
    const [places, found, size] = split.outputs as [typeof raw, typeof raw, typeof raw]
    const indices = vocabularyIndex(graph, { tokens: state.tokens, oovBuckets: params.oovBuckets, first: 1 }, found, rank)
    const rows = graph.one('Shape', [raw], { out_type: 'int64' })
    const width = graph.vector('int64', [BigInt(params.maxWords)], 'width')
    const shape = graph.one('ConcatV2', [[rows, width], graph.scalar('int32', 0, 'axis')])
    const kept = graph.add('SparseSlice', [places, indices, size, graph.vector('int64', [0n, 0n], 'start'), shape])
    const [keptPlaces, keptIndices] = kept.outputs as [typeof raw, typeof raw]
    const dense = graph.one('SparseToDense', [keptPlaces, shape, keptIndices, graph.scalar('int64', 0n, 'none')])
    return cast(graph, graph.one('Reshape', [dense, graph.vector('int32', [-1, params.maxWords], 'rows')]), 'int32')
  },
  missing: () => '',
}
