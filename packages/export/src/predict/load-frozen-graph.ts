import { failure, job, readWhole, type Job } from '@millrace/core'
import { int64ToNumber, tensorflow } from '../proto/index.js'
import type { ModelSignature, ModelTensor } from '../saved-model/read-saved-model.js'
import { nodeFromDef, parseRef, type Node } from './graph/graph.js'
import { tableInitializers } from './kernels/index.js'
import { loadGraph } from './load-graph.js'
import { outputDtype } from './plan/output-dtypes.js'
import { makePredictor, type Predictor } from './predictor.js'

/** protobuf's own limit for one message. */
const MAX_GRAPH_BYTES = 2 ** 31 - 1

/** Options of {@link loadFrozenGraph}. */
export interface LoadFrozenGraphOptions {
  /** Names for the graph's inputs, each with its tensor (`origin: 'origin:0'`). Default: every placeholder, by its name. */
  readonly inputs?: { readonly [name: string]: string } | undefined
  /** Names for the outputs, each with its tensor. Default: every node whose outputs no other node takes. */
  readonly outputs?: { readonly [name: string]: string } | undefined
  /** Node that initialises the tables. Not needed where the tables are filled by ops of the graph itself. */
  readonly init?: string | undefined
}

const decodeGraph = (bytes: Uint8Array, source: string): tensorflow.GraphDef => {
  try {
    return tensorflow.GraphDef.decode(bytes)
  } catch (cause) {
    throw failure({ tag: 'Corrupt', code: 'FROZEN_GRAPH', problem: 'the file is not a GraphDef, or it is damaged', position: { source }, cause })
  }
}

const shapeOf = (node: Node): readonly number[] | undefined => {
  const shape = node.attrs['shape']?.shape
  // Placeholders of old graphs say "unknown" by a shape without dimensions and the flag.
  return shape === null || shape === undefined || shape.unknownRank === true ? undefined : (shape.dim ?? []).map((dim) => int64ToNumber(dim.size))
}

const sinks = (nodes: ReadonlyMap<string, Node>): string[] => {
  const used = new Set([...nodes.values()].flatMap((node) => [...node.inputs.map((input) => input.node), ...node.controls]))
  const effects = new Set(['NoOp', 'Const', 'Placeholder', 'Assert'])
  return [...nodes.values()].filter((node) => !used.has(node.name) && !effects.has(node.op) && tableInitializers[node.op] === undefined).map((node) => node.name)
}

/** How tensors of a graph that has no signature are described: inputs by their placeholders, outputs by their ops. */
const describe = (nodes: ReadonlyMap<string, Node>, names: { readonly [name: string]: string }, source: string): { readonly [name: string]: ModelTensor } =>
  Object.fromEntries(Object.entries(names).map(([name, tensor]) => {
    const ref = parseRef(tensor)
    const node = nodes.get(ref.node)
    if (node === undefined) throw failure({ tag: 'Usage', code: 'NO_SUCH_NODE', problem: `the graph has no node ${ref.node}, which "${name}" names`, position: { source } })
    return [name, { dtype: outputDtype(node, ref.output) ?? 'float32', shape: node.op === 'Placeholder' ? shapeOf(node) : undefined, tensor: `${ref.node}:${ref.output}` }]
  }))

/**
 * Loads a frozen graph (one GraphDef whose variables are constants) to answer in this process. It gets one signature,
 * `serving_default`.
 *
 * @param url - the `.pb` file
 * @throws `NotFound`, `Corrupt`; `Model` that names every op that nothing here can run
 */
export const loadFrozenGraph = (url: string, options: LoadFrozenGraphOptions = {}): Job<Predictor> => job(async ({ signal }) => {
  const graph = decodeGraph(await readWhole(url, { limitBytes: MAX_GRAPH_BYTES, signal }), url)
  const nodes = new Map((graph.node ?? []).map((def) => [def.name ?? '', nodeFromDef(def)]))
  const byName = (names: readonly string[]): { [name: string]: string } => Object.fromEntries(names.map((name) => [name, `${name}:0`]))
  const signature: ModelSignature = {
    methodName: '',
    inputs: describe(nodes, options.inputs ?? byName([...nodes.values()].filter((node) => node.op === 'Placeholder').map((node) => node.name)), url),
    outputs: describe(nodes, options.outputs ?? byName(sinks(nodes)), url),
  }
  if (Object.keys(signature.outputs).length === 0) throw failure({ tag: 'Model', code: 'NO_OUTPUTS', problem: 'the graph has no node that could be an output', remedy: 'Name the outputs.', position: { source: url } })
  const signatures = { serving_default: signature }
  const program = await loadGraph({ graph, signatures, keep: options.init === undefined ? [] : [options.init], assets: [], checkpoint: undefined }, signal)
  return makePredictor({ runtime: { kind: 'javascript', backend: program.backend, nodes: program.nodes }, run: program.run, dispose: program.dispose }, signatures)
})
