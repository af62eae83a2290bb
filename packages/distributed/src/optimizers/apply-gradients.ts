import { addVariable, type Graph, type GraphNode, type LoweredVariable, type Tensor, type WeightDescription } from '@millrace/export'
import { isIndexedSlices, sumDuplicates, toDense, type Gradient } from '../gradients/index.js'
import { clipGradients } from './clip.js'
import type { Optimizer } from './optimizer.js'
import { learningRateAt } from './schedules.js'

/** A variable and its gradient. */
export interface VariableGradient {
  readonly variable: LoweredVariable
  readonly gradient: Gradient
}

/** A variable of an optimizer, and what all its elements start with. */
export interface Slot {
  readonly variable: LoweredVariable
  readonly initial: number
}

/** The updates of one step. */
export interface AppliedGradients {
  readonly updates: readonly GraphNode[]
  readonly slots: readonly Slot[]
  readonly learningRate: Tensor
}

/**
 * Adds the nodes that change variables by their gradients: rows that were looked up twice summed, gradients limited, the
 * optimizer's update on each variable's device.
 *
 * @param step - the number of steps done so far, float32 scalar
 */
export const applyGradients = (graph: Graph, optimizer: Optimizer, pairs: readonly VariableGradient[], step: Tensor): AppliedGradients =>
  graph.scope('optimizer', () => {
    const slots: Slot[] = []
    const slot = ({ weight, device }: LoweredVariable, name: string, initial = 0): Tensor => {
      const described: WeightDescription = { key: name, name: `${weight.name}/${name}`, dtype: weight.dtype, shape: weight.shape, trainable: false }
      const variable = addVariable(graph, described, device)
      slots.push({ variable, initial })
      return variable.handle
    }
    const prepared = pairs.map(({ gradient }) => {
      if (!isIndexedSlices(gradient)) return gradient
      return optimizer.sparse === 'dense' ? toDense(graph, gradient) : sumDuplicates(graph, gradient)
    })
    const clipped = optimizer.clip === undefined ? prepared : clipGradients(graph, prepared, optimizer.clip)
    const rate = learningRateAt(graph, optimizer.learningRate, step)
    const count = graph.one('AddV2', [step, graph.scalar('float32', 1)])
    const update = optimizer.start({ graph, rate, count, slot })
    const updates = pairs.map(({ variable }, index) => {
      const gradient = clipped[index] as Gradient
      const body = (): GraphNode => update(variable, gradient)
      return variable.device === undefined ? body() : graph.withDevice(variable.device, body)
    })
    return { updates, slots, learningRate: rate }
  })
