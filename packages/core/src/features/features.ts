import { failure } from '../errors/index.js'
import { job, type Job, type RunContext } from '../job/index.js'
import type { Field, Schema } from '../schema/index.js'
import { type ColumnMap, type Json, type Mode, type Stream } from '../stream/index.js'
import { featureKind } from './feature-kinds.js'
import type { CanFit, FeatureColumns, FeatureMap } from './feature-types.js'
import type { Analyzer, Feature, FittedFeature } from './feature.js'
import { parseFeaturesJson } from './features-json.js'
import { inFeature, makeFittedFeatures, requireFeatureColumn, takenKinds, type FittedFeatures } from './fitted-features.js'

/** Features as described, by name. */
export interface Features<D extends FeatureMap> {
  readonly definitions: D
  /**
   * Reads the stream once, only the columns that have something to fit, and learns what each feature needs.
   *
   * Fit on the training rows only: what is learned from test rows leaks into the model. A missing column, or one of a kind
   * that a feature does not take, is a compile error that names the feature.
   */
  fit<S extends Schema, M extends Mode>(stream: Stream<S, M> & CanFit<D, S, M>): Job<FittedFeatures<D, FeatureColumns<D, S>>>
}

/** A feature on its way to being fitted, inner features inside. */
interface Plan {
  readonly name: string
  readonly from: string
  readonly feature: Feature
  readonly input: Field
  readonly analyzer: Analyzer | undefined
  readonly inner: Plan | undefined
}

const planFeature = (name: string, feature: Feature, schema: Schema): Plan => {
  const from = feature.from ?? name
  const input = requireFeatureColumn(schema, name, feature.kind, from, takenKinds(feature))
  return inFeature(name, feature.kind, from, () => ({
    name, from, feature, input,
    analyzer: featureKind(feature.kind).analyze?.(feature.params, input),
    inner: feature.inner === undefined ? undefined : planFeature(name, { ...feature.inner, from }, schema),
  }))
}

/** The plan and the plans inside it, innermost last. */
const layers = (plan: Plan): readonly Plan[] => (plan.inner === undefined ? [plan] : [plan, ...layers(plan.inner)])

const finishFeature = (plan: Plan): FittedFeature => {
  const { name, from, feature, input, analyzer } = plan
  const inner = plan.inner === undefined ? undefined : finishFeature(plan.inner)
  return inFeature(name, feature.kind, from, () => {
    const kind = featureKind(feature.kind)
    const { params, role } = feature
    const state: Json = analyzer !== undefined ? analyzer.finish() : kind.derive?.({ params, input, inner }) ?? null
    const { output, cardinality } = kind.describe({ params, state, input, inner })
    return { kind: feature.kind, name, from, role, params, state, input, output, cardinality, inner }
  })
}

const readColumns = async (stream: Stream, plans: readonly Plan[], { signal, progress, tally }: RunContext): Promise<number> => {
  const analyzing = plans.flatMap(layers).filter(({ analyzer }) => analyzer !== undefined)
  if (analyzing.length === 0) return 0
  const columns = [...new Set(analyzing.map(({ from }) => from))]
  let rows = 0
  for await (const batch of stream.open({ signal, progress, tally, columns })) {
    for (const { name, from, feature, analyzer } of analyzing) {
      inFeature(name, feature.kind, from, () => analyzer!.update((batch.columns as ColumnMap)[from]!))
    }
    rows += batch.numRows
    progress?.({ stage: 'fitting features', done: rows, unit: 'rows' })
  }
  progress?.({ stage: 'fitting features', done: rows, unit: 'rows', finished: true })
  if (rows > 0) return rows
  throw failure({ tag: 'Schema', code: 'NO_ROWS', problem: 'the stream to fit the features on has no rows', remedy: 'Check its source and its filters.' })
}

const requireCold = (stream: Stream): void => {
  if (stream.mode === 'cold') return
  throw failure({
    tag: 'Usage', code: 'NEEDS_COLD',
    problem: `fit reads the stream once and apply reads it again, and this stream (${stream.plan.operator}) can be read only once`,
    remedy: 'Pipe it through cache() first.',
  })
}

/**
 * Describes the features of a model once; fitted, they are applied here and exported with the model.
 *
 * @param definitions - by the name of the column that the model will see; each takes the raw column of that name unless
 *   its `from` says otherwise
 * @example
 * const spec = features({ origin: vocabulary({ topK: 500 }), distance: standardize(), late: label(greaterThan(15, { from: 'delay' })) })
 * const inputs = await run(spec.fit(train))
 * const batches = pipe(train, inputs.apply)
 */
export const features = <D extends FeatureMap>(definitions: D): Features<D> => {
  if (Object.keys(definitions).length === 0) {
    throw failure({ tag: 'Usage', code: 'NO_FEATURES', problem: 'features({}) describes no feature' })
  }
  return {
    definitions,
    fit: <S extends Schema, M extends Mode>(stream: Stream<S, M> & CanFit<D, S, M>) =>
      job(async (context) => {
        requireCold(stream)
        const schema = await stream.findSchema(context)
        const plans = Object.entries(definitions).map(([name, feature]) => planFeature(name, feature as Feature, schema))
        const rows = await readColumns(stream, plans, context)
        return makeFittedFeatures<D, FeatureColumns<D, S>>(plans.map(finishFeature), rows)
      }),
  }
}

/** The feature with what follows from its parameters and state worked out anew, which also finds those that are broken. */
const describeAgain = (fitted: FittedFeature): FittedFeature => {
  const kind = featureKind(fitted.kind)
  const inner = fitted.inner === undefined ? undefined : describeAgain(fitted.inner)
  requireFeatureColumn({ [fitted.from]: fitted.input }, fitted.name, fitted.kind, fitted.from, takenKinds(fitted))
  let cause: unknown
  try {
    if (kind.check?.(fitted.params, fitted.state) !== false) {
      const { output, cardinality } = kind.describe({ ...fitted, inner })
      return { ...fitted, output, cardinality, inner }
    }
  } catch (thrown) {
    cause = thrown
  }
  throw failure({
    tag: 'Corrupt', code: 'BAD_FEATURES_JSON', problem: `feature "${fitted.name}" (${fitted.kind}) lacks parameters or state, or has wrong ones`,
    remedy: 'Fit the features again.', cause,
  })
}

/**
 * Fitted features of their JSON, as text or parsed: they apply, and export, exactly as those that gave it.
 *
 * @throws `Corrupt` when it is not such JSON; `Schema` for a kind of feature that is not registered
 */
export const featuresFromJSON = (json: unknown): FittedFeatures => {
  const { features: list, rows } = parseFeaturesJson(json)
  return makeFittedFeatures(list.map(describeAgain), rows)
}
