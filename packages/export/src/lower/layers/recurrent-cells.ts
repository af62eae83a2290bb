import type { Tensor } from '../../graph/index.js'
import { activationOf } from './activation.js'
import { requireWeight, type LayerContext } from './layer-context.js'

/** What one step makes of the state before it: the new state, of which the first part is the output. */
export type CellStep = (x: Tensor, states: readonly Tensor[]) => readonly Tensor[]

/** A cell of a recurrent layer, as TensorFlow.js computes it (`tfjs-layers/src/layers/recurrent.ts`). */
export interface Cell {
  /** How many tensors its state is. */
  readonly states: number
  /**
   * Adds what all steps share.
   *
   * @returns the step; `x` is the step's input times the kernel, with the bias: `[batch, units * gates]`
   */
  start(context: LayerContext): CellStep
}

const parts = ({ graph }: LayerContext, x: Tensor, count: number): readonly Tensor[] =>
  graph.add('Split', [graph.scalar('int32', 1, 'axis'), x], { num_split: count }).outputs

const recurrentKernel = (context: LayerContext): Tensor => context.variables.read(requireWeight(context, 'recurrent_kernel'))

const simple: Cell = {
  states: 1,
  start: (context) => {
    const { graph } = context
    const [kernel, activation] = [recurrentKernel(context), activationOf(context, 'activation')]
    return (x, [h]) => [activation(graph.one('AddV2', [x, graph.one('MatMul', [h as Tensor, kernel])]))]
  },
}

const gru: Cell = {
  states: 1,
  start: (context) => {
    const { graph, layer } = context
    const units = Number(layer.config['units'])
    const [gate, activation] = [activationOf(context, 'recurrentActivation'), activationOf(context, 'activation')]
    const kernels = graph.add('SplitV', [recurrentKernel(context), graph.vector('int32', [2 * units, units], 'sizes'), graph.scalar('int32', 1, 'axis')], { num_split: 2 })
    const [gates, candidate] = kernels.outputs as readonly [Tensor, Tensor]
    const one = graph.scalar('float32', 1)
    return (x, states) => {
      const [h] = states as readonly [Tensor]
      const [xz, xr, xh] = parts(context, x, 3) as readonly [Tensor, Tensor, Tensor]
      const [hz, hr] = parts(context, graph.one('MatMul', [h, gates]), 2) as readonly [Tensor, Tensor]
      const [update, reset] = [gate(graph.one('AddV2', [xz, hz])), gate(graph.one('AddV2', [xr, hr]))]
      const found = activation(graph.one('AddV2', [xh, graph.one('MatMul', [graph.one('Mul', [reset, h]), candidate])]))
      return [graph.one('AddV2', [graph.one('Mul', [update, h]), graph.one('Mul', [graph.one('Sub', [one, update]), found])])]
    }
  },
}

const lstm: Cell = {
  states: 2,
  start: (context) => {
    const { graph } = context
    const kernel = recurrentKernel(context)
    const [gate, activation] = [activationOf(context, 'recurrentActivation'), activationOf(context, 'activation')]
    return (x, states) => {
      const [h, c] = states as readonly [Tensor, Tensor]
      const sums = parts(context, graph.one('AddV2', [x, graph.one('MatMul', [h, kernel])]), 4)
      const [input, forget, candidate, output] = sums as readonly [Tensor, Tensor, Tensor, Tensor]
      const carried = graph.one('AddV2', [graph.one('Mul', [gate(forget), c]), graph.one('Mul', [gate(input), activation(candidate)])])
      return [graph.one('Mul', [gate(output), activation(carried)]), carried]
    }
  },
}

/** Cells by the class names of their layers. */
export const cells: Readonly<Record<string, Cell>> = { GRU: gru, LSTM: lstm, SimpleRNN: simple }
