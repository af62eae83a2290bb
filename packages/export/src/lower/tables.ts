import { createHash } from 'node:crypto'
import { toNodeName, type Graph, type GraphNode, type Tensor } from '../graph/index.js'

/**
 * Where the tokens of vocabularies are:
 *
 * - `constants`: in the graph itself (frozen graphs)
 * - `assets`: in text files beside it, one token a line (SavedModels)
 */
export type VocabularyMode = 'constants' | 'assets'

/** A lookup table of a lowered graph. It answers once its initializer has run. */
export interface LoweredTable {
  /** Name of the feature. */
  readonly feature: string
  readonly tokens: readonly string[]
  readonly handle: Tensor
  readonly initializer: GraphNode
  /** The file that the tokens are read from; absent when they are in the graph. */
  readonly asset: { readonly fileName: string; readonly tensor: Tensor } | undefined
}

/** `InitializeTableFromTextFileV2`: the whole line is the key … */
const WHOLE_LINE = -2
/** … and its number the value (`tensorflow/core/kernels/lookup_util.h`). */
const LINE_NUMBER = -1

/** Tokens have no line breaks, so the joined text is theirs alone. */
const digest = (tokens: readonly string[]): string => createHash('sha256').update(tokens.join('\n')).digest('hex').slice(0, 32)

/** Puts vocabularies into a graph, each once. */
export class TableStore {
  readonly #graph: Graph
  readonly #mode: VocabularyMode
  readonly #tables = new Map<string, LoweredTable>()

  constructor(graph: Graph, mode: VocabularyMode) {
    this.#graph = graph
    this.#mode = mode
  }

  get tables(): readonly LoweredTable[] {
    return [...this.#tables.values()]
  }

  /**
   * Rank of each text in the tokens, int64; -1 for those that are not among them.
   *
   * @param tokens - at least one: TensorFlow refuses to fill a table with nothing
   */
  find(feature: string, tokens: readonly string[], texts: Tensor): Tensor {
    const { handle } = this.#table(feature, tokens)
    return this.#graph.one('LookupTableFindV2', [handle, texts, this.#graph.scalar('int64', -1n, 'missing')])
  }

  #table(feature: string, tokens: readonly string[]): LoweredTable {
    const known = this.#tables.get(feature)
    if (known !== undefined) return known
    const table = this.#graph.atRoot(() => this.#graph.scope(`vocabulary/${toNodeName(feature)}`, () => this.#make(feature, tokens)))
    this.#tables.set(feature, table)
    return table
  }

  #make(feature: string, tokens: readonly string[]): LoweredTable {
    const graph = this.#graph
    // Sessions of one TensorFlow server share tables by name, so the name has to follow the tokens.
    const attrs = { key_dtype: 'string', value_dtype: 'int64', shared_name: `vocabulary_${digest(tokens)}` } as const
    const handle = graph.one('HashTableV2', [], attrs, { name: 'table' })
    if (this.#mode === 'constants') {
      const ranks = BigInt64Array.from(tokens, (_, rank) => BigInt(rank))
      const pair = [graph.vector('string', tokens, 'tokens'), graph.vector('int64', ranks, 'ranks')]
      return { feature, tokens, handle, initializer: graph.add('InitializeTableV2', [handle, ...pair], {}, { name: 'initialize' }), asset: undefined }
    }
    const fileName = this.#fileName(feature)
    const tensor = graph.scalar('string', fileName, 'file')
    const initializer = graph.add(
      'InitializeTableFromTextFileV2',
      [handle, tensor],
      { key_index: WHOLE_LINE, value_index: LINE_NUMBER, vocab_size: tokens.length },
      { name: 'initialize' },
    )
    return { feature, tokens, handle, initializer, asset: { fileName, tensor } }
  }

  /** A name for the file that any file system takes, unique whatever its case. */
  #fileName(feature: string): string {
    const base = feature.replace(/[^A-Za-z0-9_.-]/g, '_').replace(/^\.+/, '_')
    const taken = new Set([...this.#tables.values()].map(({ asset }) => asset?.fileName.toLowerCase()))
    let name = `${base}.txt`
    for (let count = 1; taken.has(name.toLowerCase()); count += 1) name = `${base}_${count}.txt`
    return name
  }
}
