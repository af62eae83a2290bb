import { int64ToNumber, type tensorflow } from '../../proto/index.js'
import { dtypeNumber, type DType } from '../../tensor/dtypes.js'
import type { HostTensor } from '../../tensor/host-tensor.js'
import type { Node, Ref } from '../graph/graph.js'
import { attrDefaults } from './numeric-ops.js'

/** A graph in the JSON form that TensorFlow.js loads, with the names that nodes have in it. */
export interface Topology {
  readonly nodes: readonly object[]
  /** Constants in the order of their data. */
  readonly constants: readonly { readonly name: string; readonly value: HostTensor }[]
  /** Name of what is fed for a tensor that is made elsewhere. */
  readonly placeholders: ReadonlyMap<string, string>
  /** Name of a node of the graph. */
  readonly names: ReadonlyMap<string, string>
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
const shapeJson = (shape: tensorflow.ITensorShapeProto): object =>
  shape.unknownRank === true ? { unknownRank: true } : { dim: (shape.dim ?? []).map((dim) => ({ size: int64ToNumber(dim.size) })) }

/** An attribute as TensorFlow.js's JSON has it: 64-bit integers as numbers, bytes in base 64, types by number. */
const attrJson = (attr: tensorflow.IAttrValue): object => {
  if (attr.s !== null && attr.s !== undefined) return { s: base64(attr.s) }
  if (attr.i !== null && attr.i !== undefined) return { i: int64ToNumber(attr.i) }
  if (attr.f !== null && attr.f !== undefined) return { f: attr.f }
  if (attr.b !== null && attr.b !== undefined) return { b: attr.b }
  if (attr.type !== null && attr.type !== undefined) return { type: attr.type }
  if (attr.shape !== null && attr.shape !== undefined) return { shape: shapeJson(attr.shape) }
  const { list } = attr
  if (list === null || list === undefined) return {}
  return {
    list: {
      s: (list.s ?? []).map(base64), i: (list.i ?? []).map(int64ToNumber), f: list.f ?? [], b: list.b ?? [], type: list.type ?? [], shape: (list.shape ?? []).map(shapeJson),
    },
  }
}

/** Names in the JSON: numbered, so that no name of a graph can mean anything special in a JavaScript object or in a reference. */
const safeName = (index: number, name: string): string => `${index}/${name.replace(/[^A-Za-z0-9_./-]/g, '_')}`

/** The type by which TensorFlow.js knows a tensor: it has one kind of integer. */
export const numericDtype = (dtype: DType): 'float32' | 'int32' | 'bool' => (dtype === 'float32' || dtype === 'bool' ? dtype : 'int32')

/**
 * The nodes that TensorFlow.js is to run as one graph. Whatever they take from elsewhere becomes a placeholder of its own, and
 * constants become weights; so one model serves all phases and signatures, each as a part of it.
 *
 * @param nodes - in the order of their inputs
 * @param isInner - whether an input comes from the same phase of the same graph
 * @param constant - value of a constant
 * @param dtypeOf - type of a tensor that comes from elsewhere
 */
export const numericTopology = (
  nodes: readonly Node[],
  isInner: (node: Node, input: Ref) => boolean,
  constant: (name: string) => HostTensor | undefined,
  dtypeOf: (ref: Ref) => DType,
): Topology => {
  const names = new Map<string, string>()
  const placeholders = new Map<string, string>()
  const constants = new Map<string, { readonly name: string; readonly value: HostTensor }>()
  const out: object[] = []
  let count = 0
  const inputName = (node: Node, input: Ref): string => {
    if (isInner(node, input)) return input.output === 0 ? names.get(input.node)! : `${names.get(input.node)!}:${input.output}`
    const value = constant(input.node)
    if (value !== undefined) {
      const known = constants.get(input.node)
      if (known !== undefined) return known.name
      const name = safeName(count++, input.node)
      constants.set(input.node, { name, value })
      out.push({ name, op: 'Const', input: [], attr: { dtype: { type: dtypeNumber(numericDtype(value.dtype)) } } })
      return name
    }
    const key = `${input.node}:${input.output}`
    const known = placeholders.get(key)
    if (known !== undefined) return known
    const name = safeName(count++, `${input.node}_${input.output}`)
    placeholders.set(key, name)
    out.push({ name, op: 'Placeholder', input: [], attr: { dtype: { type: dtypeNumber(numericDtype(dtypeOf(input))) } } })
    return name
  }
  for (const node of nodes) {
    const input = node.inputs.map((ref) => inputName(node, ref))
    const name = safeName(count++, node.name)
    names.set(node.name, name)
    out.push({ name, op: node.op, input, attr: Object.fromEntries(Object.entries({ ...attrDefaults[node.op], ...node.attrs }).map(([key, attr]) => [key, attrJson(attr)])) })
  }
  return { nodes: out, constants: [...constants.values()], placeholders, names }
}
