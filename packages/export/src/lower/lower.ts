import { failure, type FittedFeature } from '@millrace/core'
import { Graph, toNodeName, type GraphNode, type Tensor } from '../graph/index.js'
import type { ModelDescription, WeightDescription } from './describe-model.js'
import type { LowerMode } from './layers/layer-context.js'
import { asModelInput, FeatureSetLowering, modelFeatures, type FeatureSet } from './lower-features.js'
import { ModelLowering } from './lower-model.js'
import { parseExamples, type ExampleColumn } from './parse-examples.js'
import { rawColumns, type RawColumn } from './raw-columns.js'
import type { LoweredTable, VocabularyMode } from './tables.js'
import type { LoweredVariable, VariableMode, VariableReads } from './variables.js'

/** Options of {@link lower}. */
export interface LowerOptions {
  readonly mode: LowerMode
  /** `constants` needs the values of the variables: see `readModel`. */
  readonly variables: VariableMode
  /** Device of everything but variables that were placed elsewhere. Default: TensorFlow chooses. */
  readonly device?: string | undefined
  /** Fitted features named as the model's inputs: the graph then takes raw columns. Default: it takes the model's inputs. */
  readonly inputs?: FeatureSet | undefined
  /** Default: `constants` where the variables are, else `assets`. */
  readonly vocabularies?: VocabularyMode | undefined
  /** Adds a second entry that takes serialized `tf.train.Example`s. Default false. */
  readonly examples?: boolean | undefined
  /** Seed of dropout in training. Default 1. */
  readonly seed?: number | undefined
}

/** One way into a lowered graph and out of it, tensors by name. */
export interface LoweredEntry {
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly outputs: Readonly<Record<string, Tensor>>
}

/** A model, and its features, as a TensorFlow graph. */
export interface Lowered {
  readonly graph: Graph
  /** Takes raw columns (each `[batch]`), or without features the model's inputs; gives the model's outputs. */
  readonly values: LoweredEntry
  /** Takes `examples`, string `[batch]`; absent where that was not asked for or cannot be. */
  readonly examples: LoweredEntry | undefined
  /** Why there is no entry for examples though it was asked for. */
  readonly noExamples: string | undefined
  /** Columns that may be null, and yet have to be in each example: their features agree on no value that stands for a null. */
  readonly required: readonly string[]
  readonly variables: readonly LoweredVariable[]
  /** Vocabularies; their initializers run before anything else. */
  readonly tables: readonly LoweredTable[]
  /** Nodes to run with each training step beside the optimizer's. */
  readonly updates: readonly GraphNode[]
}

/**
 * Lowers a model, and its features, to a TensorFlow graph: a pure function of its arguments, which every export and every
 * training target shares. Equal arguments give equal bytes.
 *
 * @example
 * const { graph, values } = lower(await readModel(model), { mode: 'serving', variables: 'constants', inputs })
 * @throws `Model` for what cannot be lowered, naming the layer or feature and what can be
 */
export const lower = (model: ModelDescription, options: LowerOptions): Lowered => {
  const graph = new Graph()
  return graph.withDevice(options.device ?? '', () => lowerInto(graph, model, options))
}

const lowerInto = (graph: Graph, model: ModelDescription, options: LowerOptions): Lowered => {
  const lowering = new GraphLowering(graph, model, options)
  const finish = (inputs: Readonly<Record<string, Tensor>>, given: Readonly<Record<string, Tensor>>, scope: string): LoweredEntry => {
    const outputs = lowering.apply(given)
    return { inputs, outputs: graph.scope(scope, () => named(graph, outputs)) }
  }

  const given = Object.fromEntries(lowering.columns.map(({ name, dtype, shape }) => [name, graph.placeholder(toNodeName(name), dtype, shape)]))
  const values = finish(given, given, 'outputs')
  const { example, noExample, required } = lowering
  let examples: LoweredEntry | undefined
  if (options.examples === true && example !== undefined) {
    const serialized = graph.placeholder('examples', 'string', [null])
    examples = graph.scope('from_examples', () => finish({ examples: serialized }, parseExamples(graph, serialized, example), 'outputs'))
  }
  return {
    graph,
    values,
    examples,
    noExamples: options.examples === true ? noExample : undefined,
    required: options.examples === true ? required : [],
    variables: lowering.variables,
    tables: lowering.tables,
    updates: lowering.updates,
  }
}

/** Options of {@link GraphLowering}. */
export type GraphLoweringOptions = Pick<LowerOptions, 'mode' | 'variables' | 'device' | 'inputs' | 'vocabularies' | 'seed'>

/** A column that a lowered graph takes. */
export type GraphColumn = Pick<Tensor, 'name' | 'dtype' | 'shape'>

/**
 * Lowers a model with its features into a graph, from columns that the caller has in it: placeholders, or what an iterator gives.
 * It may be applied more than once; every call shares variables and vocabularies.
 *
 * @throws `Model` for what cannot be lowered, naming the layer or feature and what can
 */
export class GraphLowering {
  /** What it takes: raw columns (each `[batch]`), or without features the model's inputs. */
  readonly columns: readonly GraphColumn[]
  /** The same columns as features of `tf.train.Example`s; `undefined` where they cannot be. */
  readonly example: readonly ExampleColumn[] | undefined
  /** Why there are none. */
  readonly noExample: string | undefined
  /** Columns that may be null, and yet have to be in each example: their features agree on no value that stands for a null. */
  readonly required: readonly string[]
  readonly #graph: Graph
  readonly #layers: ModelLowering
  readonly #features: FeatureSetLowering
  readonly #modelInputs: Entries['modelInputs']

  constructor(graph: Graph, model: ModelDescription, options: GraphLoweringOptions) {
    const { inputs, variables } = options
    this.#graph = graph
    this.#layers = new ModelLowering(graph, model, options)
    this.#features = new FeatureSetLowering(graph, options.vocabularies ?? (variables === 'constants' ? 'constants' : 'assets'))
    const entries = inputs === undefined ? rawModel(model) : featuredModel(model, modelFeatures(model.inputs, inputs), this.#features)
    this.columns = entries.columns
    this.example = entries.example
    this.noExample = entries.noExample
    this.required = entries.required
    this.#modelInputs = entries.modelInputs
  }

  /** The resource variables so far, in the order in which the layers want them. */
  get variables(): readonly LoweredVariable[] {
    return this.#layers.variables
  }

  /** Vocabularies so far; their initializers run before anything else. */
  get tables(): readonly LoweredTable[] {
    return this.#features.tables
  }

  /** Nodes to run with each training step beside the optimizer's, of all calls so far. */
  get updates(): readonly GraphNode[] {
    return this.#layers.updates
  }

  /** What is applied from here on reads variables anew: for one more step in the same graph. */
  readBy(reads: VariableReads): void {
    this.#layers.readBy(reads)
  }

  /** A variable's value as the layers read it. */
  read(weight: WeightDescription): Tensor {
    return this.#layers.read(weight)
  }

  /**
   * Adds the nodes of features and model.
   *
   * @param given - a tensor for each of the columns, by name
   * @returns the model's outputs by name
   */
  apply(given: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
    return this.#layers.apply(this.#modelInputs(this.#graph, given))
  }

  /** The raw column that a feature takes, such as one that is no input of the model. */
  columnOf(feature: FittedFeature): GraphColumn & Pick<ExampleColumn, 'missing'> {
    const [column] = rawColumns([feature]) as [RawColumn]
    return column
  }

  /** Adds the nodes of a feature that is no input of the model, such as a label. */
  applyFeature(feature: FittedFeature, raw: Tensor): Tensor {
    return this.#features.apply(feature, raw)
  }
}

/** What a graph takes, and how that becomes the model's inputs. */
interface Entries {
  readonly columns: readonly GraphColumn[]
  readonly example: readonly ExampleColumn[] | undefined
  readonly noExample: string | undefined
  readonly required: readonly string[]
  readonly modelInputs: (graph: Graph, given: Readonly<Record<string, Tensor>>) => Record<string, Tensor>
}

const featuredModel = (model: ModelDescription, features: readonly FittedFeature[], lowering: FeatureSetLowering): Entries => {
  const columns = rawColumns(features)
  return {
    columns,
    example: columns.map((column) => ({ ...column, itemShape: [] })),
    noExample: undefined,
    required: columns.filter(({ nullable, missing }) => nullable && missing === undefined).map(({ name }) => name),
    modelInputs: (graph, given) =>
      Object.fromEntries(
        model.inputs.map((input, index) => {
          const feature = features[index] as FittedFeature
          const tensor = lowering.apply(feature, given[feature.from] as Tensor)
          return [input.name, graph.scope(`inputs/${toNodeName(input.name)}`, () => asModelInput(graph, input, tensor))]
        }),
      ),
  }
}

const rawModel = (model: ModelDescription): Entries => {
  const unknown = model.inputs.find(({ shape }) => shape === undefined || shape.slice(1).includes(null))
  const example = model.inputs.map(({ name, dtype, shape }) => ({
    name,
    dtype: exampleDType(dtype),
    itemShape: (shape ?? []).slice(1) as number[],
    missing: undefined,
  }))
  return {
    columns: model.inputs,
    example: unknown === undefined ? example : undefined,
    noExample: unknown === undefined ? undefined : `the shape of the input "${unknown.name}" is not known before it runs`,
    required: [],
    modelInputs: (graph, given) =>
      Object.fromEntries(
        model.inputs.map(({ name, dtype }) => {
          const tensor = given[name] as Tensor
          return [name, tensor.dtype === dtype ? tensor : graph.one('Cast', [tensor], { DstT: dtype })]
        }),
      ),
  }
}

const exampleDType = (dtype: Tensor['dtype']): ExampleColumn['dtype'] => {
  if (dtype === 'string') return 'string'
  if (dtype === 'float32' || dtype === 'float64' || dtype === 'float16') return 'float32'
  if (dtype.includes('int') || dtype === 'bool') return 'int64'
  throw failure({ tag: 'Model', code: 'LOWER_INPUT_DTYPE', problem: `a model's input of dtype ${dtype} cannot be exported` })
}

/** Outputs as nodes of their own, so that each has its name whatever layer makes it. */
const named = (graph: Graph, outputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, graph.one('Identity', [tensor], {}, { name: toNodeName(name) })]))
