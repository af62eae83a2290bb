import { describeValue, failure } from '@millrace/core'
import { int64ToNumber, tensorflow } from '../proto/index.js'
import { readDtype, type DType } from '../tensor/dtypes.js'
import { splitName } from './tensor-name.js'

/** A `GraphDef` of its bytes. @throws `Model` for bytes that are none */
export const decodeGraph = (bytes: Uint8Array): tensorflow.GraphDef => {
  requireGraphBytes(bytes)
  try {
    return tensorflow.GraphDef.decode(bytes)
  } catch (cause) {
    throw badBytes('the bytes are not a GraphDef', cause)
  }
}

const badBytes = (problem: string, cause?: unknown): Error =>
  failure({ tag: 'Model', code: 'GRAPH_BYTES', problem, remedy: 'Give what Graph.encode() made, or the bytes of a .pb file.', ...(cause === undefined ? {} : { cause }) })

/** Of callers without types, who may give a `Graph`, of which protobuf makes no bytes at all. @throws `Model` */
export const requireGraphBytes = (graph: unknown): void => {
  if (!(graph instanceof Uint8Array)) throw badBytes(`the graph is ${describeValue(graph)}, and no bytes of a GraphDef`)
}

/** What a tensor that is fed has to be. */
export interface GraphInput {
  readonly dtype: DType
  /** Sizes, -1 where any will do; `undefined` when not even the rank is known. */
  readonly shape: readonly number[] | undefined
}

/** Ops whose only output has the dtype of the attribute, and, where `true`, the shape of another. */
const inputOps: { readonly [op: string]: boolean } = { Placeholder: true, PlaceholderWithDefault: true, PlaceholderV2: true, Const: false, ReadVariableOp: false }

const shapeOf = (attr: tensorflow.IAttrValue | undefined): readonly number[] | undefined => {
  const shape = attr?.shape
  return shape === null || shape === undefined || shape.unknownRank === true ? undefined : (shape.dim ?? []).map(({ size }) => int64ToNumber(size))
}

/** What can be fed in the place of the nodes, by their names. */
export const inputsOf = (nodes: readonly tensorflow.INodeDef[]): ReadonlyMap<string, GraphInput> => {
  const inputs = new Map<string, GraphInput>()
  for (const { name, op, attr } of nodes) {
    const hasShape = inputOps[op ?? '']
    if (hasShape === undefined) continue
    const dtype = readDtype(attr?.['dtype']?.type, name ?? '')
    inputs.set(name ?? '', { dtype, shape: hasShape ? shapeOf(attr?.['shape']) : undefined })
  }
  return inputs
}

/**
 * The tensors of a graph that people feed: placeholders, and constants and reads of variables in their stead. Graphs are read when
 * the first one is asked for.
 */
export class GraphInputs {
  readonly #unread: Uint8Array[] = []
  readonly #known = new Map<string, GraphInput>()

  /** @param graph - an encoded `GraphDef` */
  add(graph: Uint8Array): void {
    this.#unread.push(graph)
  }

  /** @param tensor - its full name, `x:0` */
  of(tensor: string): GraphInput | undefined {
    for (let graph = this.#unread.shift(); graph !== undefined; graph = this.#unread.shift()) this.addKnown(inputsOf(decodeGraph(graph).node ?? []))
    const [node, index] = splitName(tensor)
    return index === 0 ? this.#known.get(node) : undefined
  }

  /** {@link add} for a graph that was looked at before. @param inputs - by the names of their nodes */
  addKnown(inputs: ReadonlyMap<string, GraphInput>): void {
    for (const [name, input] of inputs) this.#known.set(name, input)
  }
}
