import type { Column } from '../columns/index.js'
import { failure, isMillraceError } from '../errors/index.js'
import type { Job } from '../job/index.js'
import { requireColumn, type Schema } from '../schema/index.js'
import { derivedSchema, extendBatch, makeBatch, transformBatches, type Batch, type ColumnMap, type Mode, type Stream } from '../stream/index.js'
import { featureKind } from './feature-kinds.js'
import { featuresToJSON, type FeaturesJson } from './features-json.js'
import type { ColumnTransform, FittedFeature } from './feature.js'
import type { CanApply, FeatureMap, InputNames, LabelNames } from './feature-types.js'
import { vocabularyOf } from './vocabulary-of.js'
import { writeVocabularyFiles, type VocabularyFilesOptions, type VocabularyFilesReport } from './vocabulary-files.js'

/**
 * Features that are fitted: they turn raw columns into the model's, in Node and, lowered by `@millrace/export`, in the
 * exported graph.
 *
 * @typeParam D - the descriptions they were fitted from
 * @typeParam Out - schema of the columns they make
 */
export interface FittedFeatures<D extends FeatureMap = FeatureMap, Out extends Schema = Schema> {
  /** The features by name, in the order of their description. */
  readonly features: { readonly [K in keyof D]: FittedFeature }
  /** The raw columns they take. */
  readonly input: Schema
  /** The columns they make. */
  readonly output: Out
  /** Rows they were fitted on. */
  readonly rows: number
  /** Operator: a stream of raw columns to one of feature columns; others are left out. */
  apply<S extends Schema, M extends Mode>(this: void, stream: Stream<S, M> & CanApply<D, S>): Stream<Out, M>
  /**
   * Operator: adds the label columns to the raw ones, so that what was predicted from raw values can be scored.
   *
   * @throws `Schema` when the stream has a column with the name of a label
   */
  addLabels<S extends Schema, M extends Mode>(this: void, stream: Stream<S, M>): Stream<S & Pick<Out, LabelNames<D> & keyof Out>, M>
  /** The feature columns of one batch. */
  applyBatch(this: void, batch: Batch): Batch<Out>
  /** Number of values of a categorical feature: mask, OOV buckets and vocabulary. @throws `Usage` for one that is not categorical */
  cardinality(name: keyof D & string): number
  /** Tokens of a vocabulary feature by rank, without mask and OOV buckets. @throws `Usage` for one without a vocabulary */
  vocabulary(name: keyof D & string): readonly string[]
  /** The same features without the labels: what is served, and what applies to rows whose outcome is not known. */
  withoutLabels(): FittedFeatures<Pick<D, InputNames<D>>, Pick<Out, InputNames<D> & keyof Out>>
  /**
   * Writes the vocabularies into a folder, one file a feature (`origin.txt`), one token a line in order of rank, as
   * TensorFlow's `InitializeTableFromTextFileV2` reads them.
   */
  writeVocabularies(folder: string, options?: VocabularyFilesOptions): Job<VocabularyFilesReport>
  /** Plain JSON that {@link featuresFromJSON} takes; `JSON.stringify` calls this. */
  toJSON(): FeaturesJson
}

/** Runs a step of a feature; errors say which feature it was. */
export const inFeature = <A>(name: string, kind: string, from: string, step: () => A): A => {
  try {
    return step()
  } catch (thrown) {
    if (!isMillraceError(thrown) || thrown.problem.startsWith('feature "')) throw thrown
    throw failure({
      tag: thrown._tag, code: thrown.code, problem: `feature "${name}" (${kind}): ${thrown.problem}`, remedy: thrown.remedy,
      position: { column: from, ...thrown.position }, cause: thrown.cause,
    })
  }
}

/** A feature, fitted or not, with those inside it. */
interface Nested {
  readonly kind: string
  readonly inner: Nested | undefined
}

/** The kinds of raw column that a feature takes: those of the innermost one. */
export const takenKinds = (feature: Nested): readonly string[] =>
  feature.inner === undefined ? featureKind(feature.kind).takes : takenKinds(feature.inner)

/** Refuses a schema without a feature's column, or with one of a kind that the feature does not take. */
export const requireFeatureColumn = (schema: Schema, name: string, kind: string, from: string, takes: readonly string[]): Schema[string] => {
  const input = requireColumn(schema, from, `feature "${name}" (${kind})`)
  const valueKind = input.kind === 'dictionary' ? input.params.item?.kind : undefined
  if (takes.includes(input.kind) && (valueKind === undefined || valueKind === 'utf8')) return input
  throw failure({
    tag: 'Schema',
    code: 'WRONG_KIND',
    problem: `feature "${name}" (${kind}) cannot take the column "${from}" of kind ${input.kind}${valueKind === undefined ? '' : `<${valueKind}>`}`,
    remedy: `It takes: ${takes.map((taken) => (taken === 'dictionary' ? 'dictionary<utf8>' : taken)).join(', ')}.`,
    position: { column: from },
  })
}

const compileFeature = (fitted: FittedFeature): ColumnTransform =>
  featureKind(fitted.kind).compile(fitted, fitted.inner === undefined ? undefined : compileFeature(fitted.inner))

/** What of fitted features {@link addColumns} uses. */
type AddedFeatures<Out extends Schema> = Pick<FittedFeatures<FeatureMap, Out>, 'features' | 'input' | 'output' | 'applyBatch'>

/** The stream's columns and those of the features beside them. */
const addColumns = <S extends Schema, Out extends Schema, M extends Mode>(stream: Stream<S, M>, fitted: AddedFeatures<Out>): Stream<S & Out, M> => {
  const schema = (): S & Out => {
    for (const { name, kind, from, inner } of Object.values(fitted.features)) {
      requireFeatureColumn(stream.schema, name, kind, from, takenKinds({ kind, inner }))
      if (Object.hasOwn(stream.schema, name)) {
        throw failure({ tag: 'Schema', code: 'COLUMN_EXISTS', problem: `the label "${name}" has the name of a column that the stream has already`, remedy: 'rename() the column first.', position: { column: name } })
      }
    }
    return { ...stream.schema, ...fitted.output }
  }
  const added = Object.keys(fitted.output)
  return transformBatches<S, S & Out, M>(stream, {
    operator: 'labels',
    options: { labels: added },
    schema: derivedSchema([stream], schema),
    transform: (batch) => extendBatch(batch, fitted.output, fitted.applyBatch(batch as unknown as Batch).columns as ColumnMap),
    needs: (wanted) => (wanted === undefined ? undefined : [...new Set([...wanted.filter((name) => !added.includes(name)), ...Object.keys(fitted.input)])]),
  })
}

/** Features of their fitted descriptions. */
export const makeFittedFeatures = <D extends FeatureMap, Out extends Schema>(list: readonly FittedFeature[], rows: number): FittedFeatures<D, Out> => {
  const byName = Object.fromEntries(list.map((fitted) => [fitted.name, fitted]))
  const input = Object.fromEntries(list.map(({ from, input }) => [from, input]))
  const output = Object.fromEntries(list.map(({ name, output }) => [name, output])) as unknown as Out
  const columns = Object.keys(input)
  // Compiled when first applied: reading a description, or exporting it, needs no tables.
  let compiled: readonly ColumnTransform[] | undefined

  const find = (name: string): FittedFeature => {
    const found = Object.prototype.hasOwnProperty.call(byName, name) ? byName[name] : undefined
    if (found !== undefined) return found
    throw failure({ tag: 'Usage', code: 'NO_SUCH_FEATURE', problem: `there is no feature named "${name}"`, remedy: `The features are: ${Object.keys(byName).join(', ')}.` })
  }

  const applyBatch = (batch: Batch): Batch<Out> => {
    compiled ??= list.map((fitted) => inFeature(fitted.name, fitted.kind, fitted.from, () => compileFeature(fitted)))
    const made: { [name: string]: Column } = {}
    list.forEach((fitted, i) => {
      const { name, kind, from } = fitted
      const column = (batch.columns as ColumnMap)[from]
      if (column === undefined) requireColumn(batch.schema, from, `feature "${name}" (${kind})`)
      made[name] = inFeature(name, kind, from, () => compiled![i]!(column!))
    })
    return makeBatch(output, made, batch.numRows)
  }

  return {
    features: byName as { readonly [K in keyof D]: FittedFeature },
    input,
    output,
    rows,
    applyBatch,
    apply: <S extends Schema, M extends Mode>(stream: Stream<S, M> & CanApply<D, S>): Stream<Out, M> =>
      transformBatches<S, Out, M>(stream, {
        operator: 'features',
        options: { features: Object.keys(byName) },
        schema: derivedSchema([stream], () => {
          for (const fitted of list) requireFeatureColumn(stream.schema, fitted.name, fitted.kind, fitted.from, takenKinds(fitted))
          return output
        }),
        transform: (batch) => applyBatch(batch as unknown as Batch),
        needs: () => columns,
      }),
    addLabels: <S extends Schema, M extends Mode>(stream: Stream<S, M>) => addColumns(stream, makeFittedFeatures<D, Pick<Out, LabelNames<D> & keyof Out>>(list.filter(({ role }) => role === 'label'), rows)),
    cardinality: (name) => {
      const { cardinality, kind } = find(name)
      if (cardinality !== undefined) return cardinality
      throw failure({ tag: 'Usage', code: 'NOT_CATEGORICAL', problem: `feature "${name}" (${kind}) is not categorical, so it has no cardinality` })
    },
    vocabulary: (name) => {
      const fitted = find(name)
      const tokens = vocabularyOf(fitted)
      if (tokens !== undefined) return tokens
      throw failure({ tag: 'Usage', code: 'NO_VOCABULARY', problem: `feature "${name}" (${fitted.kind}) has no vocabulary` })
    },
    withoutLabels: () => makeFittedFeatures(list.filter(({ role }) => role === 'input'), rows),
    writeVocabularies: (folder, options) => writeVocabularyFiles(list, folder, options),
    toJSON: () => featuresToJSON(list, rows),
  }
}
