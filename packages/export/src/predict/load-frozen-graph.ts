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

/** A tensor of the graph: `node:0`, or the description of one in the exporter's report, whose shape is then known. */
export type TensorName = string | { readonly tensor: string; readonly shape?: readonly (number | null)[] | undefined }

/** What is fed and fetched, by the names to call it by. */
export interface FrozenSignature {
  readonly inputs: { readonly [name: string]: TensorName }
  readonly outputs: { readonly [name: string]: TensorName }
}

/** Options of {@link loadFrozenGraph}. The report of `exportFrozenGraph` can be given as it is. */
export interface LoadFrozenGraphOptions {
  /** Ways to ask the graph, by name. Default: one, `serving_default`, of `inputs` and `outputs`. */
  readonly signatures?: { readonly [name: string]: FrozenSignature } | undefined
  /** Default: every placeholder, by its name. */
  readonly inputs?: FrozenSignature['inputs'] | undefined
  /** Default: every node whose outputs no other node takes. */
  readonly outputs?: FrozenSignature['outputs'] | undefined
  /** Node that initialises the tables. Default: whatever ops of the graph fill them. */
  readonly initializer?: string | undefined
}

const NOT_A_GRAPH = 'Give the .pb file of one GraphDef, as exportFrozenGraph writes it; a folder with a saved_model.pb is read by loadSavedModel.'

const decodeGraph = (bytes: Uint8Array, source: string): tensorflow.GraphDef => {
  // protobuf would take it for a graph without nodes.
  if (bytes.length === 0) throw failure({ tag: 'Corrupt', code: 'FROZEN_GRAPH', problem: 'the file is empty', remedy: 'Export or copy it again.', position: { source } })
  try {
    return tensorflow.GraphDef.decode(bytes)
  } catch (cause) {
    throw failure({ tag: 'Corrupt', code: 'FROZEN_GRAPH', problem: 'the file is not a GraphDef, or it is damaged', remedy: NOT_A_GRAPH, position: { source }, cause })
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
const describe = (nodes: ReadonlyMap<string, Node>, names: FrozenSignature['inputs'], source: string): { readonly [name: string]: ModelTensor } =>
  Object.fromEntries(Object.entries(names).map(([name, given]) => {
    const ref = parseRef(typeof given === 'string' ? given : given.tensor)
    const node = nodes.get(ref.node)
    if (node === undefined) throw failure({ tag: 'Usage', code: 'NO_SUCH_NODE', problem: `the graph has no node ${ref.node}, which "${name}" names`, position: { source } })
    const known = typeof given === 'string' ? undefined : given.shape?.map((dim) => dim ?? -1)
    const shape = known ?? (node.op === 'Placeholder' ? shapeOf(node) : undefined)
    return [name, { dtype: outputDtype(node, ref.output) ?? 'float32', shape, tensor: `${ref.node}:${ref.output}` }]
  }))

/**
 * Loads a frozen graph (one GraphDef whose variables are constants) to answer in this process.
 *
 * @param url - the `.pb` file
 * @throws `NotFound`, `Corrupt`; `Model` that names every op that nothing here can run
 * @example
 * const report = await run(exportFrozenGraph(model, 'out/frozen.pb', { inputs }))
 * const predictor = await run(loadFrozenGraph(report.url, report))
 */
export const loadFrozenGraph = (url: string, options: LoadFrozenGraphOptions = {}): Job<Predictor> => job(async ({ signal }) => {
  const graph = decodeGraph(await readWhole(url, { limitBytes: MAX_GRAPH_BYTES, signal }), url)
  const nodes = new Map((graph.node ?? []).map((def) => [def.name ?? '', nodeFromDef(def)]))
  const byName = (names: readonly string[]): { [name: string]: string } => Object.fromEntries(names.map((name) => [name, `${name}:0`]))
  const wanted = options.signatures ?? {
    serving_default: {
      inputs: options.inputs ?? byName([...nodes.values()].filter((node) => node.op === 'Placeholder').map((node) => node.name)),
      outputs: options.outputs ?? byName(sinks(nodes)),
    },
  }
  const signatures = Object.fromEntries(Object.entries(wanted).map(([name, { inputs, outputs }]): [string, ModelSignature] => {
    if (Object.keys(outputs).length === 0) {
      throw failure({ tag: 'Model', code: 'NO_OUTPUTS', problem: 'the graph has no node that could be an output', remedy: 'Name the outputs.', position: { source: url } })
    }
    return [name, { methodName: '', inputs: describe(nodes, inputs, url), outputs: describe(nodes, outputs, url) }]
  }))
  const keep = options.initializer === undefined ? [] : [options.initializer]
  const program = await loadGraph({ graph, signatures, keep, assets: [], checkpoint: undefined }, signal)
  return makePredictor({ runtime: { kind: 'javascript', backend: program.backend, nodes: program.nodes }, run: program.run, dispose: program.dispose }, signatures)
})
