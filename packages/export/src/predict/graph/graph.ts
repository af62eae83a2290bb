import { failure } from '@millrace/core'
import { fromInt64, int64ToNumber, type tensorflow } from '../../proto/index.js'
import { readDtype, type DType } from '../../tensor/dtypes.js'

/** One output of a node. */
export interface Ref {
  readonly node: string
  readonly output: number
}

/** A node as the predictor sees it: references resolved, attributes as their messages. */
export interface Node {
  readonly name: string
  readonly op: string
  readonly inputs: readonly Ref[]
  /** Names of nodes that must run before this one. */
  readonly controls: readonly string[]
  readonly attrs: { readonly [name: string]: tensorflow.IAttrValue }
}

/** Nodes by name. */
export type Graph = ReadonlyMap<string, Node>

/** `name`, `name:2` or `name:out:2` are outputs; `^name` is a control input. */
export const parseRef = (text: string): Ref => {
  const colon = text.lastIndexOf(':')
  const output = colon < 0 ? 0 : Number(text.slice(colon + 1))
  if (!Number.isInteger(output) || output < 0 || output > 0xffff) {
    throw failure({ tag: 'Model', code: 'BAD_GRAPH', problem: `"${text}" does not name an output of a node` })
  }
  return { node: colon < 0 ? text : text.slice(0, colon), output }
}

/** `name:output`, the key under which values are kept. */
export const refKey = (ref: Ref): string => `${ref.node}:${ref.output}`

/** A node of its message. */
export const nodeFromDef = (def: tensorflow.INodeDef): Node => {
  const inputs: Ref[] = []
  const controls: string[] = []
  for (const input of def.input ?? []) {
    if (input.startsWith('^')) controls.push(input.slice(1))
    else inputs.push(parseRef(input))
  }
  return { name: def.name ?? '', op: def.op ?? '', inputs, controls, attrs: def.attr ?? {} }
}

const missing = (node: Node, name: string, kind: string): Error =>
  failure({ tag: 'Model', code: 'BAD_GRAPH', problem: `the node ${node.name} (${node.op}) has no ${kind} attribute "${name}"` })

/** An attribute that is a type. */
export const dtypeAttr = (node: Node, name: string, fallback?: DType): DType => {
  const type = node.attrs[name]?.type
  if (type === null || type === undefined) {
    if (fallback !== undefined) return fallback
    throw missing(node, name, 'type')
  }
  return readDtype(type, `${name} of the node ${node.name}`)
}

/** An attribute that is a list of types. */
export const dtypeListAttr = (node: Node, name: string): DType[] =>
  (node.attrs[name]?.list?.type ?? []).map((type) => readDtype(type, `${name} of the node ${node.name}`))

/** An attribute that is an integer within ±2⁵³. */
export const intAttr = (node: Node, name: string, fallback?: number): number => {
  const value = node.attrs[name]?.i
  if (value === null || value === undefined) {
    if (fallback !== undefined) return fallback
    throw missing(node, name, 'integer')
  }
  return int64ToNumber(value)
}

/** An integer attribute with all of its 64 bits. */
export const bigintAttr = (node: Node, name: string): bigint => {
  const value = node.attrs[name]?.i
  if (value === null || value === undefined) throw missing(node, name, 'integer')
  return fromInt64(value)
}

/** An attribute that is a list of integers. */
export const intListAttr = (node: Node, name: string): number[] => (node.attrs[name]?.list?.i ?? []).map(int64ToNumber)

export const boolAttr = (node: Node, name: string, fallback: boolean): boolean => node.attrs[name]?.b ?? fallback

const text = new TextDecoder('utf-8', { ignoreBOM: true })

export const stringAttr = (node: Node, name: string, fallback: string): string => {
  const value = node.attrs[name]?.s
  return value === null || value === undefined ? fallback : text.decode(value)
}

/** The node of a name. @throws `Model` */
export const requireNode = (graph: Graph, name: string, use: string): Node => {
  const node = graph.get(name)
  if (node !== undefined) return node
  throw failure({ tag: 'Model', code: 'BAD_GRAPH', problem: `${use} refers to the node ${name}, which the graph does not have` })
}

/**
 * The nodes that the targets need, inputs before the nodes that take them. Nodes in `stop` are not looked behind.
 *
 * @param control - whether control inputs count as needed. Default false: an inference graph is pure once it is frozen
 * @throws `Model` for a cycle or a dangling input
 */
export const orderedNodes = (graph: Graph, targets: Iterable<string>, options: { readonly stop?: ReadonlySet<string> | undefined; readonly control?: boolean | undefined } = {}): Node[] => {
  const order: Node[] = []
  const state = new Map<string, 'open' | 'done'>()
  // Its own stack: graphs are deeper than JavaScript's.
  const stack: { readonly node: Node; readonly needs: readonly string[]; next: number }[] = []
  const enter = (name: string, use: string): void => {
    const known = state.get(name)
    if (known === 'done') return
    if (known === 'open') throw failure({ tag: 'Model', code: 'GRAPH_CYCLE', problem: `the graph has a cycle through the node ${name}`, remedy: 'Loops (while, recurrent layers with a dynamic length) do not run in the predictor.' })
    const node = requireNode(graph, name, use)
    state.set(name, 'open')
    const needs = options.stop?.has(name) === true ? [] : [...node.inputs.map((input) => input.node), ...(options.control === true ? node.controls : [])]
    stack.push({ node, needs, next: 0 })
  }
  for (const target of targets) {
    enter(target, 'the signature')
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!
      if (top.next < top.needs.length) enter(top.needs[top.next++]!, `the node ${top.node.name}`)
      else {
        stack.pop()
        state.set(top.node.name, 'done')
        order.push(top.node)
      }
    }
  }
  return order
}
