import { failure } from '@millrace/core'
import type { DType, Graph, GraphNode, Tensor } from '@millrace/export'
import { addGradients, isIndexedSlices, toDense, type Gradient } from './indexed-slices.js'
import { shapeOf } from './shapes.js'
import { gradientFunctions, passesSlices } from './table.js'

/** Options of {@link gradients}. */
export interface GradientOptions {
  /** The gradient that each of the `ys` starts with, in its shape. Default: ones. */
  readonly seeds?: readonly Tensor[] | undefined
}

const differentiable: readonly DType[] = ['float32', 'float64', 'float16', 'bfloat16', 'resource']

/**
 * Adds the nodes that compute the derivatives of the sum of all `ys` by each of the `xs`, by reverse-mode differentiation
 * (`tf.gradients`).
 *
 * @param xs - tensors, or the handles of resource variables: their gradient is that of all their reads and lookups
 * @returns for each x a tensor in its shape; {@link IndexedSlices} where rows of it are looked up only; `undefined` where no y
 *   depends on it
 * @throws `Model` when an op between has no gradient, naming its node
 */
export const gradients = (graph: Graph, ys: readonly Tensor[], xs: readonly Tensor[], options: GradientOptions = {}): (Gradient | undefined)[] =>
  graph.scope('gradients', () => {
    const between = nodesAfter(graph, xs)
    const pending = new Map<Tensor, Gradient[]>()
    const add = (tensor: Tensor, gradient: Gradient): void => {
      const known = pending.get(tensor)
      if (known === undefined) pending.set(tensor, [gradient])
      else known.push(gradient)
    }
    const total = (tensor: Tensor): Gradient | undefined => {
      const parts = pending.get(tensor)
      if (parts === undefined) return undefined
      const sum = addGradients(graph, parts)
      pending.set(tensor, [sum])
      return sum
    }

    ys.forEach((y, index) => add(y, options.seeds?.[index] ?? ones(graph, y)))
    // The order in which nodes were added is one they can run in, so all that takes a tensor comes after its node.
    for (const node of between.reverse()) {
      const outputs = node.outputs.map(total)
      if (!outputs.some((gradient) => gradient !== undefined)) continue
      const results = besideNode(graph, node, () => differentiate(graph, node, outputs))
      results.forEach((gradient, index) => {
        const input = node.inputs[index] as Tensor
        if (gradient !== undefined && differentiable.includes(input.dtype)) add(input, gradient)
      })
    }
    return xs.map(total)
  })

/** The nodes whose outputs depend on one of the xs in a way that has a derivative, in the order in which they can run. */
const nodesAfter = (graph: Graph, xs: readonly Tensor[]): GraphNode[] => {
  const reached = new Set<Tensor>(xs)
  return graph.nodes.filter((node) => {
    if (!node.inputs.some((input) => reached.has(input))) return false
    const outputs = node.outputs.filter(({ dtype }) => differentiable.includes(dtype))
    for (const output of outputs) reached.add(output)
    return outputs.length > 0
  })
}

/** Places a gradient where its node is; that of a read or lookup stays with the caller, away from the variable's device. */
const besideNode = <A>(graph: Graph, node: GraphNode, body: () => A): A =>
  node.device === '' || node.inputs[0]?.dtype === 'resource' ? body() : graph.withDevice(node.device, body)

const ones = (graph: Graph, y: Tensor): Tensor => {
  const one = graph.scalar(y.dtype, 1, 'one')
  return y.shape?.length === 0 ? one : graph.one('Fill', [shapeOf(graph, y), one])
}

const differentiate = (graph: Graph, node: GraphNode, outputs: readonly (Gradient | undefined)[]): readonly (Gradient | undefined)[] => {
  const [first] = outputs
  if (passesSlices.has(node.op) && first !== undefined && isIndexedSlices(first)) return [first]
  const gradient = Object.hasOwn(gradientFunctions, node.op) ? gradientFunctions[node.op] : undefined
  if (gradient === undefined) {
    throw failure({
      tag: 'Model',
      code: 'GRADIENT_MISSING',
      problem: `${node.op} "${node.name}" has no gradient here, but the loss depends on variables through it`,
      remedy: `Ops that have one: ${Object.keys(gradientFunctions).join(', ')}.`,
    })
  }
  if (gradient === 'none') return []
  const dense = outputs.map((one) => (one === undefined ? undefined : toDense(graph, one)))
  return gradient({ graph, node, inputs: node.inputs, gradients: dense })
}
