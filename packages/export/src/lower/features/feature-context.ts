import type { FittedFeature } from '@millrace/core'
import type { DType, Graph, Tensor } from '../../graph/index.js'

/** What lowering a feature has to work with. */
export interface FeatureContext {
  readonly graph: Graph
  readonly feature: FittedFeature
  /**
   * Rank of each text in a vocabulary, int64; -1 for those that are not in it. The vocabulary becomes a lookup table of the
   * graph, with an asset in SavedModels; a feature has one at most.
   *
   * @param tokens - at least one, without line breaks
   * @param texts - string tensor of any shape
   */
  rank(tokens: readonly string[], texts: Tensor): Tensor
  /** Lowers the inner feature of one that composes. */
  inner(raw: Tensor): Tensor
}

/** A raw value that stands for a null; `undefined` where there is none. */
export type MissingValue = number | string | undefined

/** How a kind of feature becomes part of a graph. */
export interface FeatureLowering {
  /**
   * Adds the nodes that make the feature of a raw column.
   *
   * @param raw - `[batch]`: string for text and bytes, float32 for floats, int64 for all other kinds (dates in days, timestamps in
   *   their unit)
   * @returns `[batch]`, or `[batch, size]` for a list of fixed size
   */
  readonly lower: (context: FeatureContext, raw: Tensor) => Tensor
  /**
   * The raw value that gives what a null gives, for columns that may be null; `undefined` where there is none, so that a
   * `tf.train.Example` has to have the value. Default: none.
   */
  readonly missing?: ((feature: FittedFeature, inner?: () => MissingValue) => MissingValue) | undefined
}

/** A tensor as another dtype; itself where it is of that dtype already. */
export const cast = (graph: Graph, x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : graph.one('Cast', [x], { DstT: dtype }))

/** Texts of a raw column: integers by their decimal text. */
export const asText = (graph: Graph, raw: Tensor): Tensor => (raw.dtype === 'string' ? raw : graph.one('AsString', [raw]))

/** A text column's null is the empty text; an integer column has no value that stands for it. */
export const missingText = (feature: FittedFeature): string | undefined => (isTextual(feature) ? '' : undefined)

const isTextual = (feature: FittedFeature): boolean => ['utf8', 'dictionary', 'binary'].includes(feature.input.kind)

/** A fill value, where the raw column can hold it. */
export const missingNumber = (feature: FittedFeature, fill: number): number | undefined =>
  feature.input.kind.startsWith('float') || Number.isInteger(fill) ? fill : undefined
