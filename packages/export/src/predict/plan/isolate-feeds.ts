import { dtypeNumber } from '../../tensor/dtypes.js'
import type { tensorflow } from '../../proto/index.js'
import { orderedNodes, refKey, requireNode, type Graph, type Node, type Ref } from '../graph/graph.js'
import { outputDtype } from './output-dtypes.js'

/** A signature by the tensors it is fed and those it gives, by their names in the signature. */
export interface SignatureRefs {
  readonly name: string
  readonly inputs: ReadonlyMap<string, Ref>
  readonly outputs: ReadonlyMap<string, Ref>
}

/**
 * Makes every fed tensor a placeholder. TensorFlow lets any tensor be fed: where one in the midst of the graph is, what depends
 * on it is copied for that signature, with a placeholder in its place, so that the other signatures still compute it.
 */
export const isolateFeeds = (graph: Graph, signatures: readonly SignatureRefs[]): { readonly graph: Graph; readonly signatures: readonly SignatureRefs[] } => {
  const out = new Map(graph)
  const isolated = signatures.map((signature): SignatureRefs => {
    const inner = [...signature.inputs].filter(([, ref]) => requireNode(graph, ref.node, `the signature ${signature.name}`).op !== 'Placeholder')
    if (inner.length === 0) return signature
    const moved = new Map<string, Ref>()
    const inputs = new Map(signature.inputs)
    for (const [key, ref] of inner) {
      const node: Node = {
        name: `${ref.node}@${signature.name}/${key}`,
        op: 'Placeholder',
        inputs: [],
        controls: [],
        attrs: { dtype: { type: dtypeNumber(outputDtype(graph.get(ref.node)!, ref.output) ?? 'float32') as tensorflow.DataType } },
      }
      out.set(node.name, node)
      moved.set(refKey(ref), { node: node.name, output: 0 })
      inputs.set(key, { node: node.name, output: 0 })
    }
    const move = (ref: Ref): Ref => moved.get(refKey(ref)) ?? (copies.has(ref.node) ? { node: copies.get(ref.node)!, output: ref.output } : ref)
    const copies = new Map<string, string>()
    const stop = new Set(inner.map(([, ref]) => ref.node))
    for (const node of orderedNodes(graph, [...signature.outputs.values()].map((ref) => ref.node), { stop })) {
      if (stop.has(node.name) || !node.inputs.some((input) => moved.has(refKey(input)) || copies.has(input.node))) continue
      const name = `${node.name}@${signature.name}`
      out.set(name, { ...node, name, inputs: node.inputs.map(move) })
      copies.set(node.name, name)
    }
    return { name: signature.name, inputs, outputs: new Map([...signature.outputs].map(([key, ref]) => [key, move(ref)])) }
  })
  return { graph: out, signatures: isolated }
}
