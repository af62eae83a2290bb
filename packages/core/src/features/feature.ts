import type { Column } from '../columns/index.js'
import type { Field } from '../schema/index.js'
import type { Json } from '../stream/index.js'

/** `label` features are what the model is to predict: applied in training, left out of what is served. */
export type FeatureRole = 'input' | 'label'

/** What all described features have in common, whatever they take and make. */
export interface AnyFeature {
  /** Name in the table of feature kinds. */
  readonly kind: string
  readonly role: FeatureRole
  readonly params: Json
  /** The feature whose output this one takes, for those that compose (`oneHot(vocabulary(…))`). */
  readonly inner: Feature | undefined
}

/**
 * A feature as described: plain data until it is fitted.
 *
 * @typeParam In - field of the raw column it takes
 * @typeParam Out - field of the column it makes; `Float32 | Int32` where that follows the raw column's kind
 * @typeParam From - name of the raw column, `undefined` where it is the feature's own
 */
export interface Feature<
  in In extends Field = never,
  out Out extends Field = Field,
  out From extends string | undefined = string | undefined,
  out Role extends FeatureRole = FeatureRole,
> extends AnyFeature {
  /** Raw column; default: the name that the feature has in `features({...})`. */
  readonly from: From
  readonly role: Role
  /** For the compiler only. */
  readonly takes?: ((column: In) => void) | undefined
  readonly gives?: Out | undefined
}

/** A feature after fitting: plain JSON with all that applying, lowering and serving need. */
export interface FittedFeature<State extends Json = Json, Params extends Json = Json> {
  readonly kind: string
  /** Name of the feature, and of the column it makes. */
  readonly name: string
  /** Raw column it takes. */
  readonly from: string
  readonly role: FeatureRole
  readonly params: Params
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
  /** @throws `Schema` when what it saw is not enough */
  finish(): State
}

/** What a {@link FeatureKind} is asked to describe. */
export interface FeatureToDescribe<Params extends Json, State extends Json> {
  readonly params: Params
  readonly state: State
  /** Field of the raw column. */
  readonly input: Field
  readonly inner: FittedFeature | undefined
}

/** One kind of feature: everything about it but its lowering to a graph, which `@millrace/export` holds. */
export interface FeatureKind<Params extends Json = Json, State extends Json = Json> {
  readonly kind: string
  /** Kinds of raw column that it takes. */
  readonly takes: readonly string[]
  /** Field of the output, never nullable, and its cardinality. */
  readonly describe: (feature: FeatureToDescribe<Params, State>) => { readonly output: Field; readonly cardinality?: number | undefined }
  /** Absent where there is nothing to fit; the state is then `null`, or what `derive` makes. */
  readonly analyze?: ((params: Params, input: Field) => Analyzer<State> | undefined) | undefined
  /** State that follows from the description alone, where there is no analyzer. Default: `null`. */
  readonly derive?: ((feature: Omit<FeatureToDescribe<Params, State>, 'state'>) => State) | undefined
  /** Whether parameters and state that come from JSON are what {@link compile} needs. Default: taken as they are. */
  readonly check?: ((params: Params, state: State) => boolean) | undefined
  /**
   * Prepares the transform (tables, rounded constants); it is called once for each fitted feature, what it returns once for
   * each batch. Takes the column of any kind in `takes`, whatever kind the feature was fitted on.
   *
   * @param inner - the transform of the inner feature
   */
  readonly compile: (fitted: FittedFeature<State, Params>, inner: ColumnTransform | undefined) => ColumnTransform
}

/** Makes the output column of the raw column; nulls of the raw column are filled by the rule of the kind. */
export type ColumnTransform = (column: Column) => Column
