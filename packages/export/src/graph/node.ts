import type { AttrInput } from './attr.js'
import type { DType } from './dtype.js'
import type { OpName } from './ops/index.js'
import type { Shape } from './shape.js'

/** One output of a node: what edges carry. */
export interface Tensor {
  readonly node: GraphNode
  /** Which of the node's outputs, counted through all its output arguments. */
  readonly index: number
  readonly dtype: DType
  /** What is known of the shape before the graph runs. */
  readonly shape: Shape
  /** `node:index`, as feeds, fetches and signatures name it. */
  readonly name: string
}

/** One node of a graph. Nodes are made by `Graph.add` only, and never change. */
export interface GraphNode {
  readonly name: string
  readonly op: OpName
  /** All inputs in order, those of list arguments in a row. */
  readonly inputs: readonly Tensor[]
  /** Nodes that run before this one without giving it a value. */
  readonly control: readonly GraphNode[]
  /** Every attribute, defaults included. */
  readonly attrs: Readonly<Record<string, AttrInput>>
  /** `/job:ps/task:0/device:CPU:0`, or `''` where TensorFlow may choose. */
  readonly device: string
  readonly outputs: readonly Tensor[]
}
