import type { DType } from '../../tensor/dtypes.js'
import type { Graph, Node, Ref } from '../graph/graph.js'
import { kernels } from '../kernels/index.js'
import { givesIndices, isIndexInput, numericOps, numericWhen } from '../numeric/numeric-ops.js'
import { outputDtype } from './output-dtypes.js'

/** Where a node runs: in kernels of ours, or in TensorFlow.js. */
export type Place = 'own' | 'numeric'

const numericTypes = new Set<DType>(['float32', 'int32', 'bool'])

/** Nodes that hold or are given a value: they run nowhere. */
export const isSource = (node: Node): boolean => node.op === 'Const' || node.op === 'Placeholder' || node.op === 'PlaceholderV2'

const numericCapable = (graph: Graph, node: Node): boolean => {
  if (!numericOps.has(node.op) || numericWhen[node.op]?.(node) === false) return false
  const output = outputDtype(node, 0)
  if (output === undefined || !(numericTypes.has(output) || (output === 'int64' && givesIndices.has(node.op)))) return false
  return node.inputs.every((input: Ref, i) => {
    const dtype = outputDtype(graph.get(input.node)!, input.output)
    return dtype !== undefined && (numericTypes.has(dtype) || (dtype === 'int64' && isIndexInput(node.op, i, node.inputs.length)))
  })
}

/**
 * Decides for every node where it runs.
 *
 * Many ops run in both places. What comes after an op that only TensorFlow.js has stays there; what leads to an op that only we
 * have (strings, tables, 64-bit integers) stays with us; the rest goes to TensorFlow.js if it leads there. So data crosses
 * between the two as seldom as it can, and a graph without heavy ops needs no TensorFlow.js at all.
 *
 * @param nodes - in the order of their inputs
 * @returns places, and the nodes that run nowhere
 */
export const placeNodes = (graph: Graph, nodes: readonly Node[]): { readonly places: ReadonlyMap<string, Place>; readonly unsupported: readonly Node[] } => {
  const choices = new Map<string, 'own' | 'numeric' | 'both'>()
  const unsupported: Node[] = []
  for (const node of nodes) {
    if (isSource(node)) continue
    const own = kernels[node.op] !== undefined
    const numeric = numericCapable(graph, node)
    if (own || numeric) choices.set(node.name, own && numeric ? 'both' : own ? 'own' : 'numeric')
    else unsupported.push(node)
  }
  const after = new Set<string>()
  for (const node of nodes) {
    if (choices.get(node.name) === 'numeric' || node.inputs.some((input) => after.has(input.node))) after.add(node.name)
  }
  const beforeOwn = new Set<string>()
  const beforeNumeric = new Set<string>()
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!
    const choice = choices.get(node.name)
    for (const { node: input } of node.inputs) {
      if (choice === 'own' || beforeOwn.has(node.name)) beforeOwn.add(input)
      if (choice === 'numeric' || beforeNumeric.has(node.name)) beforeNumeric.add(input)
    }
  }
  const places = new Map<string, Place>()
  for (const [name, choice] of choices) {
    if (choice !== 'both') places.set(name, choice)
    else if (after.has(name)) places.set(name, 'numeric')
    else places.set(name, !beforeOwn.has(name) && beforeNumeric.has(name) ? 'numeric' : 'own')
  }
  return { places, unsupported }
}

/**
 * The phase of every node: ours are even, TensorFlow.js's odd; a node runs in the first phase of its place in which all of its
 * inputs are there.
 */
export const phasesOf = (nodes: readonly Node[], places: ReadonlyMap<string, Place>): ReadonlyMap<string, number> => {
  const phases = new Map<string, number>()
  for (const node of nodes) {
    const place = places.get(node.name)
    if (place === undefined) continue
    const parity = place === 'own' ? 0 : 1
    let phase = parity
    for (const input of node.inputs) {
      const before = phases.get(input.node)
      if (before !== undefined) phase = Math.max(phase, before % 2 === parity ? before : before + 1)
    }
    phases.set(node.name, phase)
  }
  return phases
}
