import { failure } from '@millrace/core'
import type { Graph, Node, Ref } from './graph.js'

/** Ops that hand their inputs on as they are, in inference. */
const identities = new Set(['Identity', 'IdentityN', 'StopGradient', 'PreventGradient', 'Snapshot', 'DisableCopyOnRead', 'CheckNumerics', 'EnsureShape', 'Print', 'PrintV2'])

const isIdentity = (node: Node): boolean => identities.has(node.op) && node.inputs.length > 0

/**
 * Points every input past the identities to what it stands for; the identities fall away with the next pruning.
 *
 * @returns the graph, and the function that does the same to any other reference into it
 * @throws `Model` for a circle of identities
 */
export const forwardIdentities = (graph: Graph): { readonly graph: Graph; readonly forward: (ref: Ref) => Ref } => {
  const forward = (ref: Ref): Ref => {
    let at = ref
    for (let steps = 0; ; steps++) {
      const node = graph.get(at.node)
      if (node === undefined || !isIdentity(node)) return at
      const next = node.inputs[node.op === 'IdentityN' ? at.output : 0]
      if (next === undefined || steps > graph.size) {
        throw failure({ tag: 'Model', code: 'BAD_GRAPH', problem: `the node ${at.node} (${node.op}) has no input ${at.output}, or its inputs go round in a circle` })
      }
      at = next
    }
  }
  const out = new Map<string, Node>()
  for (const [name, node] of graph) out.set(name, { ...node, inputs: node.inputs.map(forward) })
  return { graph: out, forward }
}
