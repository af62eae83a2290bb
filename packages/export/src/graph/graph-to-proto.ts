import type { tensorflow } from '../proto/index.js'
import { encodeAttr, sameAttr, type AttrDef, type AttrInput } from './attr.js'
import type { GraphNode } from './node.js'
import type { OpDef } from './op-def.js'
import { ops } from './ops/index.js'

/**
 * Version of TensorFlow's GraphDef that ours are written as. Any TensorFlow 2 reads it: what a loader checks is that
 * `min_consumer` (0 here) is not above its own version. 2308 was tried with TensorFlow 2.21.
 */
const producerVersion = 2308

const encodeNode = (node: GraphNode): tensorflow.NodeDef.$Properties => {
  const def: OpDef = ops[node.op]
  const attr: Record<string, tensorflow.AttrValue.$Properties> = {}
  for (const [name, value] of Object.entries(node.attrs)) {
    const attrDef = def.attrs[name] as AttrDef
    if (attrDef.hasDefault && sameAttr(value, attrDef.default as AttrInput)) continue
    attr[name] = encodeAttr(attrDef.type, value)
  }
  const inputs = node.inputs.map((tensor) => (tensor.index === 0 ? tensor.node.name : tensor.name))
  return {
    name: node.name,
    op: node.op,
    input: [...inputs, ...node.control.map((before) => `^${before.name}`)],
    ...(node.device === '' ? {} : { device: node.device }),
    attr,
  }
}

/** Nodes as TensorFlow's message. Attributes that have their default are left out, so that older TensorFlows load it. */
export const graphToProto = (nodes: readonly GraphNode[]): tensorflow.GraphDef.$Properties => ({
  node: nodes.map(encodeNode),
  versions: { producer: producerVersion },
})
