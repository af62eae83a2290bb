import type { OpName, Tensor } from '../../graph/index.js'
import { refuseLayer, requireRank, type LayerContext, type LowerLayer, type LowerToOne } from './layer-context.js'
import { mergeMasks } from './masks.js'

/** Inputs side by side along an axis. */
export const lowerConcatenate: LowerLayer = (context, inputs) => {
  const { graph, layer } = context
  if (inputs.length < 2) return refuseLayer(context, `takes at least two inputs, but has ${inputs.length}`)
  const axis = Number(layer.config['axis'] ?? -1)
  const y = graph.one('ConcatV2', [inputs, graph.scalar('int32', axis, 'axis')])
  mergeMasks(context, inputs, y, axis === -1 || axis === requireRank(context, y).length - 1)
  return y
}

/** TensorFlow.js broadcasts inputs of different ranks by its own rule, which is not TensorFlow's; equal ranks agree. */
const sameRanks = (context: LayerContext, inputs: readonly Tensor[]): readonly Tensor[] => {
  const ranks = new Set(inputs.map((input) => requireRank(context, input).length))
  return ranks.size === 1 ? inputs : refuseLayer(context, 'its inputs have different ranks')
}

type Binary = OpName & ('AddV2' | 'Mul' | 'Maximum' | 'Minimum')

const fold = (op: Binary): LowerToOne => (context, inputs) => {
  const y = sameRanks(context, inputs).reduce((sum, input) => context.graph.one(op, [sum, input]))
  mergeMasks(context, inputs, y, false)
  return y
}

/** Sum of the inputs. */
export const lowerAdd = fold('AddV2')
/** Product of the inputs. */
export const lowerMultiply = fold('Mul')
/** Largest of the inputs. */
export const lowerMaximum = fold('Maximum')
/** Smallest of the inputs. */
export const lowerMinimum = fold('Minimum')
/** Mean of the inputs. */
export const lowerAverage: LowerLayer = (context, inputs) =>
  context.graph.one('Mul', [lowerAdd(context, inputs), context.graph.scalar('float32', 1 / inputs.length)])
