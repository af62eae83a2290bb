import { failure } from '@millrace/core'
import type { Checkpoint } from '../../checkpoint/read-checkpoint.js'
import type { HostTensor } from '../../tensor/host-tensor.js'
import { restoredNames } from '../graph/freeze-variables.js'
import { orderedNodes, refKey, stringAttr, type Graph, type Node } from '../graph/graph.js'
import { kernels, tableInitializers, type RunKernel } from '../kernels/index.js'
import { prepareNode, type ProgramOptions } from './program.js'

const tableOps = new Set(['HashTable', 'HashTableV2', 'MutableHashTableV2'])

/** Tables that share a name are one table in TensorFlow; all references are pointed at the first. */
export const mergeSharedTables = (graph: Graph): Graph => {
  const first = new Map<string, string>()
  const same = new Map<string, string>()
  for (const node of graph.values()) {
    const shared = tableOps.has(node.op) ? stringAttr(node, 'shared_name', '') : ''
    if (shared === '') continue
    const key = JSON.stringify([stringAttr(node, 'container', ''), shared])
    if (first.has(key)) same.set(node.name, first.get(key)!)
    else first.set(key, node.name)
  }
  if (same.size === 0) return graph
  return new Map([...graph].map(([name, node]) => [name, { ...node, inputs: node.inputs.map((input) => (same.has(input.node) ? { ...input, node: same.get(input.node)! } : input)) }]))
}

/** Where a node's outputs are looked for: constants, what was restored, what was computed. */
const evaluate = async (node: Node, graph: Graph, wanted: ReadonlySet<number>, values: Map<string, HostTensor>, checkpoint: Checkpoint | undefined, options: ProgramOptions, signal: AbortSignal | undefined): Promise<void> => {
  if (options.constant(node.name) !== undefined) return
  if (node.op === 'RestoreV2') {
    const names = restoredNames(graph, node)
    if (checkpoint === undefined) throw failure({ tag: 'Model', code: 'NO_CHECKPOINT', problem: `the node ${node.name} restores from a checkpoint, and the model has none` })
    for (const output of wanted) values.set(refKey({ node: node.name, output }), await checkpoint.read(names[output] ?? '', signal))
    return
  }
  const initializer = tableInitializers[node.op]
  if (initializer === undefined && kernels[node.op] === undefined) {
    throw failure({ tag: 'Model', code: 'UNSUPPORTED_OPS', problem: `a table of the graph is filled with the help of the node ${node.name} (${node.op}), which nothing here can run at load` })
  }
  const run: RunKernel = initializer === undefined ? prepareNode(node, options.prepared) : initializer(node)
  const inputs = node.inputs.map((input) => {
    const value = options.constant(input.node) ?? values.get(refKey(input))
    if (value !== undefined) return value
    throw failure({ tag: 'Model', code: 'NOT_FED', problem: `a table of the graph is filled with the placeholder ${input.node}` })
  })
  run(inputs, options.context).forEach((value, output) => values.set(refKey({ node: node.name, output }), value))
}

/**
 * The ops that fill the tables which the given nodes look things up in: those of the graph whose first input is such a table; and
 * all nodes that they need, in order.
 */
export const tableFillers = (graph: Graph, needed: readonly Node[]): Node[] => {
  const tables = new Set(needed.filter((node) => tableOps.has(node.op)).map((node) => node.name))
  const initializers = [...graph.values()].filter((node) => tableInitializers[node.op] !== undefined && tables.has(node.inputs[0]?.node ?? ''))
  // What a restore is given does not matter: it reads the model's own checkpoint.
  const stop = new Set([...graph.values()].filter((node) => node.op === 'RestoreV2').map((node) => node.name))
  return orderedNodes(graph, initializers.map((node) => node.name), { stop })
}

/** Runs the ops that fill the tables. @param nodes - from {@link tableFillers} */
export const fillTables = async (graph: Graph, nodes: readonly Node[], checkpoint: Checkpoint | undefined, options: ProgramOptions, signal: AbortSignal | undefined): Promise<void> => {
  const outputs = new Map<string, Set<number>>()
  for (const node of nodes) for (const input of node.inputs) outputs.set(input.node, (outputs.get(input.node) ?? new Set<number>()).add(input.output))
  const values = new Map<string, HostTensor>()
  for (const node of nodes) {
    if (node.op === 'Placeholder') continue
    await evaluate(node, graph, outputs.get(node.name) ?? new Set(), values, checkpoint, options, signal)
  }
}
