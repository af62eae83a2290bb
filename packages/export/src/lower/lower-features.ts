import { failure, type FittedFeature } from '@millrace/core'
import { describeShape, toNodeName, type DType, type Graph, type Tensor } from '../graph/index.js'
import type { ModelPort } from './describe-model.js'
import { cast } from './features/feature-context.js'
import { featureLowering, loweredKinds } from './features/index.js'
import { TableStore, type LoweredTable, type VocabularyMode } from './tables.js'

/** What lowering takes of fitted features: the features that `fit` gives, or any other with their form. */
export interface FeatureSet {
  readonly features: Readonly<Record<string, FittedFeature>>
}

/**
 * The features that a model's inputs name, in the order of the inputs.
 *
 * @throws `Model` when an input is no feature, or a label
 */
export const modelFeatures = (inputs: readonly ModelPort[], { features }: FeatureSet): readonly FittedFeature[] =>
  inputs.map(({ name }) => {
    const feature = Object.hasOwn(features, name) ? features[name] : undefined
    const known = Object.values(features).filter(({ role }) => role !== 'label').map((one) => one.name)
    if (feature === undefined) {
      throw failure({
        tag: 'Model',
        code: 'LOWER_NO_FEATURE',
        problem: `the model's input "${name}" is not the name of a feature`,
        remedy: `Name it after one: tf.input({ name: … }) with ${known.join(', ')}.`,
      })
    }
    if (feature.role === 'label') {
      throw failure({ tag: 'Model', code: 'LOWER_LABEL', problem: `the model's input "${name}" is a label, which is not known when the model is served` })
    }
    return feature
  })

/** Lowers features into a graph, as often as wanted: every call shares the vocabularies. */
export class FeatureSetLowering {
  readonly #graph: Graph
  readonly #tables: TableStore

  constructor(graph: Graph, vocabularies: VocabularyMode) {
    this.#graph = graph
    this.#tables = new TableStore(graph, vocabularies)
  }

  /** The lookup tables; their initializers have to run before the graph does. */
  get tables(): readonly LoweredTable[] {
    return this.#tables.tables
  }

  /** Adds the nodes of one feature. @throws `Model` for a kind that cannot be lowered */
  apply(feature: FittedFeature, raw: Tensor): Tensor {
    return this.#graph.scope(`features/${toNodeName(feature.name)}`, () => this.#apply(feature, raw))
  }

  #apply(feature: FittedFeature, raw: Tensor): Tensor {
    const lowering = featureLowering(feature.kind)
    if (lowering === undefined) {
      throw failure({
        tag: 'Model',
        code: 'LOWER_UNSUPPORTED_FEATURE',
        problem: `feature "${feature.name}" is of kind ${feature.kind}, which cannot be exported`,
        remedy: `Kinds that can be: ${loweredKinds().join(', ')}. Others are added by registerFeatureLowering().`,
      })
    }
    const inner = (value: Tensor): Tensor => this.#apply(feature.inner as FittedFeature, value)
    const rank = (tokens: readonly string[], texts: Tensor): Tensor => this.#tables.find(feature.name, tokens, texts)
    return lowering.lower({ graph: this.#graph, feature, rank, inner }, raw)
  }
}

const isFloat = (dtype: DType): boolean => dtype.includes('float')

/** Whether a model is given the same number under the other dtype: TensorFlow.js casts nothing when it trains, so no more than that. */
const keepsNumbers = (from: DType, to: DType): boolean => from === to || (to === 'float32' && (isFloat(from) || from.includes('int'))) || (to === 'int32' && from.includes('int'))

/**
 * A feature's tensor in the form of a model's input: single values as `[batch, 1]` where the input has that shape, in the input's
 * dtype.
 *
 * @throws `Model` when the shapes do not fit, or a cast would change the numbers
 */
export const asModelInput = (graph: Graph, { name, dtype, shape }: ModelPort, feature: Tensor): Tensor => {
  if (!keepsNumbers(feature.dtype, dtype)) {
    throw failure({
      tag: 'Model',
      code: 'LOWER_INPUT_DTYPE',
      problem: `the model's input "${name}" is ${dtype}, but its feature gives ${feature.dtype}`,
      remedy: `Make it tf.input({ name: '${name}', dtype: '${isFloat(feature.dtype) ? 'float32' : 'int32'}', … }).`,
    })
  }
  const wanted = shape?.slice(1)
  const width = feature.shape?.[1]
  const typed = cast(graph, feature, dtype)
  if (wanted !== undefined) {
    if (feature.shape?.length === 1 && wanted.length === 0) return typed
    if (feature.shape?.length === 1 && wanted.length === 1 && (wanted[0] === 1 || wanted[0] === null)) {
      return graph.one('ExpandDims', [typed, graph.scalar('int32', -1, 'axis')])
    }
    if (feature.shape?.length === 2 && wanted.length === 1 && (wanted[0] === width || wanted[0] === null)) return typed
  }
  throw failure({
    tag: 'Model',
    code: 'LOWER_INPUT_SHAPE',
    problem: `the model's input "${name}" has the shape ${describeShape(shape)}, but its feature gives ${describeShape(feature.shape)}`,
    remedy: `Make it tf.input({ name: '${name}', shape: [${width ?? 1}] }).`,
  })
}
