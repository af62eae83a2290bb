import type { Column } from '../columns/index.js'
import type { Field } from '../schema/index.js'
import type { Json } from '../stream/index.js'

/** `label` features are what the model is to predict: applied in training, left out of what is served. */
export type FeatureRole = 'input' | 'label'

/**
 * A feature as described: plain data until it is fitted.
 *
 * @typeParam In - field of the raw column it takes
 * @typeParam Out - field of the column it makes
 */
export interface Feature<in In extends Field = never, out Out extends Field = Field> {
  /** Name in the table of feature kinds. */
  readonly kind: string
  /** Raw column; default: the name that the feature has in `features({...})`. */
  readonly from: string | undefined
  readonly role: FeatureRole
  readonly params: Json
  /** The feature whose output this one takes, for those that compose (`oneHot(vocabulary(…))`, `label(…)`). */
  readonly inner: Feature<In, Field> | undefined
  /** For the compiler only. */
  readonly takes?: ((column: In) => void) | undefined
  readonly gives?: Out | undefined
}

/** A feature after fitting: plain JSON with all that applying, lowering and serving need. */
export interface FittedFeature<State extends Json = Json> {
  readonly kind: string
  /** Name of the feature, and of the column it makes. */
  readonly name: string
  /** Raw column it takes. */
  readonly from: string
  readonly role: FeatureRole
  readonly params: Json
  /** What the analyzer found: `{ tokens }`, `{ mean, variance }`, … `null` where there is nothing to fit. */
  readonly state: State
  /** Field of the raw column. */
  readonly input: Field
  /** Field of the column it makes. */
  readonly output: Field
  /**
   * Number of values a categorical output takes (`0 … cardinality - 1`), for embeddings and one-hot; absent on numeric ones.
   */
  readonly cardinality: number | undefined
  /** The fitted feature whose output this one takes. */
  readonly inner: FittedFeature | undefined
}

/** Sees a whole column batch by batch and ends with the state of a feature. */
export interface Analyzer<State extends Json = Json> {
  update(column: Column): void
  finish(): State
}

/** One kind of feature: everything about it but its lowering to a graph, which `@millrace/export` holds. */
export interface FeatureKind<Params extends Json = Json, State extends Json = Json> {
  readonly kind: string
  /** Field of the output, and its cardinality, once the state is known. @throws `Schema` when the input does not fit */
  readonly output: (params: Params, input: Field, state: State | undefined, inner?: FittedFeature) => { readonly field: Field; readonly cardinality?: number | undefined }
  /** Absent where there is nothing to fit; the state is then `null`. */
  readonly analyze?: ((params: Params, input: Field) => Analyzer<State>) | undefined
  /** Makes the output column. */
  readonly apply: (params: Params, state: State, column: Column, fitted: FittedFeature<State>) => Column
}
