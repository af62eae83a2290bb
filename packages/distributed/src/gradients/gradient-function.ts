import type { Graph, GraphNode, Tensor } from '@millrace/export'
import type { Gradient } from './indexed-slices.js'

/** What the gradient of a node is made from. */
export interface GradientContext {
  readonly graph: Graph
  readonly node: GraphNode
  /** The node's inputs. */
  readonly inputs: readonly Tensor[]
  /** The gradient of each of the node's outputs; `undefined` where nothing depends on it. At least one is there. */
  readonly gradients: readonly (Tensor | undefined)[]
}

/**
 * Adds the nodes of a node's gradient. Gives one gradient for each input, in order; `undefined`, or nothing at the end of the
 * list, where there is none.
 */
export type GradientFunction = (context: GradientContext) => readonly (Gradient | undefined)[]

/** The gradient of a node with one output, and its first inputs. */
export interface SimpleContext {
  readonly graph: Graph
  readonly node: GraphNode
  /** Gradient of the output. */
  readonly g: Tensor
  readonly x: Tensor
  /** The output. */
  readonly y: Tensor
}

/** The gradient function of an op with one output and one input that has a gradient: the first. */
export const ofFirst = (gradient: (context: SimpleContext) => Tensor | undefined): GradientFunction => ({ graph, node, inputs, gradients }) => [
  gradient({ graph, node, g: gradients[0] as Tensor, x: inputs[0] as Tensor, y: node.outputs[0] as Tensor }),
]
