import { failure } from '@millrace/core'
import type { Graph, GraphLowering, LayerDescription, LoweredVariable, ModelDescription, Tensor, WeightDescription } from '@millrace/export'
import { number } from './loss.js'

/** `l1 sum(|w|) + l2 sum(w²)` of one variable. */
interface Penalty {
  readonly weight: WeightDescription
  readonly l1: number
  readonly l2: number
}

/** How a layer's configuration names the regulariser of a variable: `depthwise_kernel` is `depthwiseRegularizer`. */
const configKeys = (key: string): readonly string[] => {
  const camel = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  return [`${camel}Regularizer`, `${camel.replace(/Kernel$/, '')}Regularizer`]
}

/** The configuration of the layer inside of a wrapper, which names the regularisers. */
const innerConfig = (config: LayerDescription['config']): LayerDescription['config'] =>
  (config['layer'] as { readonly config?: LayerDescription['config'] } | undefined)?.config ?? config

const penaltyOf = (layer: LayerDescription, weight: WeightDescription): Penalty | undefined => {
  const config = innerConfig(layer.config)
  const given = configKeys(weight.key).map((key) => config[key]).find((value) => value !== undefined && value !== null)
  if (given === undefined) return undefined
  const { className, config: strengths } = given as { readonly className?: unknown; readonly config?: { readonly l1?: unknown; readonly l2?: unknown } }
  if (className !== 'L1L2') {
    throw failure({
      tag: 'Model',
      code: 'REGULARIZER_UNSUPPORTED',
      problem: `"${weight.name}" has a regulariser ${String(className)}, which is not known`,
      remedy: 'Known are tf.regularizers.l1, l2 and l1l2.',
    })
  }
  return { weight, l1: Number(strengths?.l1 ?? 0), l2: Number(strengths?.l2 ?? 0) }
}

/** Whether a variable is a weight, or a part of it. */
const holds = ({ weight, slice }: LoweredVariable, { name }: WeightDescription): boolean => (slice?.name ?? weight.name) === name

/** What penalties need of a lowered model. */
export type PenaltyReads = Pick<GraphLowering, 'variables' | 'read'>

/**
 * Adds the penalties of the layers' regularisers, each a scalar. That of an embedding is of all its rows, as in TensorFlow.js, looked up or
 * not: it reads the table, and makes its gradient and its update dense. Those of recurrent layers count, as in Keras; TensorFlow.js leaves
 * them out.
 *
 * @throws `Model` for a regulariser that is not known
 */
export const regularization = (graph: Graph, model: ModelDescription, lowering: PenaltyReads): Tensor[] =>
  model.layers
    .flatMap((layer) => layer.weights.map((weight) => penaltyOf(layer, weight)))
    .flatMap((penalty) => {
      if (penalty === undefined || !lowering.variables.some((variable) => holds(variable, penalty.weight))) return []
      const value = lowering.read(penalty.weight)
      const axes = graph.vector('int32', penalty.weight.shape.map((_, axis) => axis), 'axes')
      const part = (strength: number, op: 'Abs' | 'Square'): Tensor[] =>
        strength === 0 ? [] : [graph.one('Mul', [graph.one('Sum', [graph.one(op, [value]), axes]), number(graph, strength)])]
      return [...part(penalty.l1, 'Abs'), ...part(penalty.l2, 'Square')]
    })
