import { failure } from '@millrace/core'
import { tensorflow } from '../proto/index.js'
import type { AttrInput } from './attr.js'
import type { DType } from './dtype.js'
import type { GraphNode, Tensor } from './node.js'
import type { AttrsOf, OpDef } from './op-def.js'
import { graphToProto } from './graph-to-proto.js'
import { ops, type OpName } from './ops/index.js'
import { resolveOp, type OpInput } from './resolve-op.js'
import type { Shape } from './shape.js'
import { tensorValue, type TensorValue } from './tensor-value.js'

/** How a node is named and placed. */
export interface NodeOptions {
  /** Within the current scope; a number is appended when it is taken. Default: the op's name. */
  readonly name?: string | undefined
  /** Default: the device of the current `withDevice`, else none. */
  readonly device?: string | undefined
  /** Nodes that have to run first. */
  readonly control?: readonly GraphNode[] | undefined
}

/** What TensorFlow's runtime takes as a node's name (`IsValidNodeName` in `tensorflow/core/framework/node_def_util.cc`). */
const nodeName = /^[A-Za-z0-9.][A-Za-z0-9_./-]*(>[A-Za-z0-9.][A-Za-z0-9_./-]*)*$/

/** A device, whole or in part: `/job:ps/task:0`, `/device:GPU:0`, `/cpu:0` (`DeviceNameUtils::ParseFullName`). */
const deviceName = /^(\/(job:[A-Za-z][A-Za-z0-9_]*|(replica|task):(\d+|\*)|(device:)?[A-Za-z][A-Za-z0-9_]*:(\d+|\*)))*$/

const requireDevice = (device: string): string => {
  if (deviceName.test(device)) return device
  throw failure({ tag: 'Model', code: 'GRAPH_DEVICE', problem: `"${device}" is no device`, remedy: 'Write /job:worker/task:0, /device:CPU:0 or both in one.' })
}

/** Makes any text a part of a node's name, `/` included. */
export const toNodeName = (text: string): string => {
  const safe = text.replace(/[^A-Za-z0-9_./-]/g, '_')
  return /^[A-Za-z0-9.]/.test(safe) ? safe : `n${safe}`
}

/**
 * A TensorFlow graph in the making. Every node is checked against the op table when it is added, and gets the static shapes that
 * can be known; the same calls give the same bytes.
 *
 * @example
 * const graph = new Graph()
 * const x = graph.placeholder('x', 'float32', [null, 2])
 * const y = graph.one('MatMul', [x, graph.constant(tensorValue('float32', [2, 1], [3, 4]))])
 * const bytes = graph.encode()
 */
export class Graph {
  readonly #nodes: GraphNode[] = []
  readonly #byName = new Map<string, GraphNode>()
  /** Names taken by nodes and scopes, in lower case: TensorFlow's Python treats names as equal whatever their case. */
  readonly #taken = new Set<string>()
  readonly #distinct = new WeakSet<Tensor>()
  #scope = ''
  #device = ''

  /** In the order in which they were added, which is an order they can run in. */
  get nodes(): readonly GraphNode[] {
    return this.#nodes
  }

  /** The node of a name; `undefined` when there is none. */
  node(name: string): GraphNode | undefined {
    return this.#byName.get(name)
  }

  /**
   * Adds a node.
   *
   * @param inputs - one item for each input argument of the op, an array where the argument is a list
   * @param attrs - those that do not follow from the inputs
   * @throws `Model` when inputs, dtypes, attributes or shapes do not fit the op
   */
  add<Name extends OpName>(
    op: Name,
    inputs: readonly OpInput[] = [],
    attrs: AttrsOf<(typeof ops)[Name]> = {},
    options: NodeOptions = {},
  ): GraphNode {
    const def: OpDef = ops[op]
    const name = this.#uniqueName(options.name ?? op)
    const resolved = resolveOp(`${op} "${name}"`, def, inputs, attrs as Readonly<Record<string, AttrInput>>)
    const shapes = def.shape?.({ op: `${op} "${name}"`, inputs: resolved.inputs, attrs: resolved.attrs }) ?? []
    const outputs: Tensor[] = []
    const node: GraphNode = {
      name,
      op,
      inputs: resolved.inputs,
      control: options.control ?? [],
      attrs: resolved.attrs,
      device: options.device === undefined ? this.#device : requireDevice(options.device),
      outputs,
    }
    resolved.outputs.forEach((dtype, index) => {
      outputs.push({ node, index, dtype, shape: shapes[index], name: `${name}:${index}` })
    })
    for (const tensor of resolved.inputs) this.#owns(tensor.node, name)
    for (const before of node.control) this.#owns(before, name)
    this.#taken.add(name.toLowerCase())
    this.#byName.set(name, node)
    this.#nodes.push(node)
    return node
  }

  /** Notes that no element of a tensor is there twice, which whoever made it knows, so that nobody needs to look for such. */
  markDistinct(tensor: Tensor): void {
    this.#distinct.add(tensor)
  }

  /** Whether a tensor was marked by {@link markDistinct}. */
  isDistinct(tensor: Tensor): boolean {
    return this.#distinct.has(tensor)
  }

  /** Adds a node and gives its only output, or its first. */
  one<Name extends OpName>(
    op: Name,
    inputs: readonly OpInput[] = [],
    attrs: AttrsOf<(typeof ops)[Name]> = {},
    options: NodeOptions = {},
  ): Tensor {
    const [output] = this.add(op, inputs, attrs, options).outputs
    if (output === undefined) throw failure({ tag: 'Model', code: 'GRAPH_NO_OUTPUT', problem: `${op} has no output` })
    return output
  }

  /** Adds a constant. */
  constant(value: TensorValue, name = 'Const'): Tensor {
    return this.one('Const', [], { value, dtype: value.dtype }, { name })
  }

  /** Adds a constant of rank 0. */
  scalar(dtype: DType, value: number | bigint | boolean | string, name = 'Const'): Tensor {
    return this.constant(tensorValue(dtype, [], [value]), name)
  }

  /** Adds a constant of rank 1. */
  vector(dtype: DType, values: ArrayLike<number | bigint | boolean | string>, name = 'Const'): Tensor {
    return this.constant(tensorValue(dtype, [values.length], values), name)
  }

  /** Adds an input that is fed. */
  placeholder(name: string, dtype: DType, shape: Shape): Tensor {
    return this.one('Placeholder', [], { dtype, shape }, { name })
  }

  /** Runs `body` with names under `name/`; a number is appended when the scope is taken. */
  scope<A>(name: string, body: () => A): A {
    const outer = this.#scope
    const scope = this.#uniqueName(name)
    this.#taken.add(scope.toLowerCase())
    this.#scope = `${scope}/`
    try {
      return body()
    } finally {
      this.#scope = outer
    }
  }

  /** Runs `body` with names at the root, whatever the scope it is called in. */
  atRoot<A>(body: () => A): A {
    const outer = this.#scope
    this.#scope = ''
    try {
      return body()
    } finally {
      this.#scope = outer
    }
  }

  /** Runs `body`, placing the nodes that it adds on a device. @throws `Model` for what is none */
  withDevice<A>(device: string, body: () => A): A {
    const outer = this.#device
    this.#device = requireDevice(device)
    try {
      return body()
    } finally {
      this.#device = outer
    }
  }

  /** The graph as the bytes of a `GraphDef`. */
  encode(): Uint8Array {
    return tensorflow.GraphDef.encode(graphToProto(this.#nodes)).finish()
  }

  #uniqueName(name: string): string {
    const full = `${this.#scope}${name}`
    if (!nodeName.test(full)) {
      throw failure({ tag: 'Model', code: 'GRAPH_NAME', problem: `"${full}" is no name for a node`, remedy: 'Use letters, digits and _ . / - .' })
    }
    if (!this.#taken.has(full.toLowerCase())) return full
    let count = 1
    while (this.#taken.has(`${full}_${count}`.toLowerCase())) count += 1
    return `${full}_${count}`
  }

  #owns(node: GraphNode, by: string): void {
    if (this.#byName.get(node.name) !== node) {
      throw failure({ tag: 'Model', code: 'GRAPH_FOREIGN', problem: `"${by}" takes "${node.name}", which is a node of another graph` })
    }
  }
}
