import { failure, readWhole } from '@millrace/core'
import type { Checkpoint } from '../checkpoint/read-checkpoint.js'
import type { tensorflow } from '../proto/index.js'
import type { ModelSignature } from '../saved-model/read-saved-model.js'
import { decodeTensorProto } from '../tensor/decode-tensor-proto.js'
import { stringData, stringTensor, type HostTensor } from '../tensor/host-tensor.js'
import { assignedConstants, freezeVariables, isVariable, sourceOfVariable, variableSources, type Constants } from './graph/freeze-variables.js'
import { forwardIdentities } from './graph/forward-identities.js'
import { nodeFromDef, orderedNodes, parseRef, requireNode, type Graph, type Node } from './graph/graph.js'
import { inlineFunctions } from './graph/inline-functions.js'
import { tableInitializers, type RunKernel } from './kernels/index.js'
import { fillTables, mergeSharedTables, tableFillers } from './plan/fill-tables.js'
import { isolateFeeds, type SignatureRefs } from './plan/isolate-feeds.js'
import { compileProgram, type Program, type ProgramOptions } from './plan/program.js'

/** A vocabulary is text; one of gigabytes is none. */
const MAX_ASSET_BYTES = 2 ** 30

/** A graph and what goes with it, from a SavedModel or a frozen file. */
export interface GraphSource {
  readonly graph: tensorflow.IGraphDef
  readonly signatures: { readonly [name: string]: ModelSignature }
  /** Nodes that must be kept beside those of the signatures: the ones that initialise and restore. */
  readonly keep: readonly string[]
  readonly assets: readonly { readonly filename: string; readonly url: string; readonly tensor: string }[]
  readonly checkpoint: Checkpoint | undefined
}

const nodesByName = (graph: tensorflow.IGraphDef): Map<string, Node> => {
  const nodes = new Map<string, Node>()
  for (const def of graph.node ?? []) {
    const node = nodeFromDef(def)
    if (node.name === '' || nodes.has(node.name)) {
      throw failure({ tag: 'Model', code: 'BAD_GRAPH', problem: node.name === '' ? 'a node of the graph has no name' : `the graph has two nodes named ${node.name}` })
    }
    nodes.set(node.name, node)
  }
  return nodes
}

/** Adds the values of the variables that are read to those that are known. */
const readVariables = async (graph: Graph, needed: readonly Node[], values: Map<string, HostTensor>, checkpoint: Checkpoint | undefined, signal: AbortSignal | undefined): Promise<Map<string, HostTensor>> => {
  const variables = needed.filter((node) => isVariable(node) && !values.has(node.name))
  if (variables.length === 0) return values
  if (checkpoint === undefined) {
    throw failure({
      tag: 'NotFound',
      code: 'NO_VARIABLES',
      problem: `the graph reads the variable ${variables[0]!.name}, and there is no checkpoint beside it`,
      remedy: 'Copy the model again, with its folder "variables".',
    })
  }
  const sources = variableSources(graph)
  for (const node of variables) values.set(node.name, await checkpoint.read(sourceOfVariable(node, sources), signal))
  return values
}

const readAssets = async (assets: GraphSource['assets'], constants: Constants, signal: AbortSignal | undefined): Promise<Map<string, Uint8Array>> => {
  const files = new Map<string, Uint8Array>()
  for (const { url, tensor } of assets) {
    files.set(url, await readWhole(url, { limitBytes: MAX_ASSET_BYTES, signal }))
    // The path in the constant is the one on the machine that wrote the model.
    constants.set(parseRef(tensor).node, stringTensor([], stringData([url])))
  }
  return files
}

/**
 * Makes a graph ready to run: functions are written out, variables become constants, identities fall away, tables are filled.
 *
 * @throws `Model` for what cannot be run, `NotFound`, `Corrupt`
 */
export const loadGraph = async (source: GraphSource, signal: AbortSignal | undefined): Promise<Program> => {
  const nodes = nodesByName(source.graph)
  const refs = Object.entries(source.signatures).map(([name, { inputs, outputs }]): SignatureRefs => ({
    name,
    inputs: new Map(Object.entries(inputs).map(([key, info]) => [key, parseRef(info.tensor)])),
    outputs: new Map(Object.entries(outputs).map(([key, info]) => [key, parseRef(info.tensor)])),
  }))
  const fed = refs.flatMap((signature) => [...signature.inputs.values()])
  const fetched = refs.flatMap((signature) => [...signature.outputs.values()])
  for (const ref of [...fed, ...fetched]) requireNode(nodes, ref.node, 'a signature')
  const keep = [...source.keep.filter((name) => nodes.has(name)), ...initializersOf(nodes)]
  const inlined = inlineFunctions(nodes, source.graph.library?.function ?? [], [...fetched, ...fed].map((ref) => ref.node).concat(keep))
  const isolated = isolateFeeds(mergeSharedTables(inlined), refs)
  const first = forwardIdentities(isolated.graph)
  const outputs = isolated.signatures.flatMap((signature) => [...signature.outputs.values()])
  const needed = orderedNodes(first.graph, outputs.map((ref) => first.forward(ref).node))
  const constants: Constants = new Map()
  const files = await readAssets(source.assets, constants, signal)
  const read = [...needed, ...tableFillers(first.graph, needed)]
  const variables = await readVariables(first.graph, read, assignedConstants(first.graph, constants), source.checkpoint, signal)
  // Variables that nothing needs keep no value: they are dropped with all that is not needed.
  const pruned = new Map([...first.graph].filter(([name, node]) => !isVariable(node) || variables.has(name)))
  const frozen = forwardIdentities(freezeVariables(pruned, variables, constants))
  const { graph } = frozen
  const signatures = isolated.signatures.map((signature) => ({
    ...signature,
    outputs: new Map([...signature.outputs].map(([key, ref]) => [key, frozen.forward(first.forward(ref))])),
  }))
  const options: ProgramOptions = { constant: constantReader(graph, constants), prepared: new Map<string, RunKernel>(), context: { files } }
  const program = await compileProgram(graph, signatures, options)
  try {
    const final = orderedNodes(graph, signatures.flatMap((signature) => [...signature.outputs.values()].map((ref) => ref.node)))
    await fillTables(graph, tableFillers(graph, final), source.checkpoint, options, signal)
    return program
  } catch (thrown) {
    program.dispose()
    throw thrown
  }
}

/** Ops that fill tables outside of functions: a frozen graph may not say which node initialises it. */
const initializersOf = (graph: Graph): string[] => [...graph.values()].filter((node) => tableInitializers[node.op] !== undefined).map((node) => node.name)

/** Values of constants, each decoded when it is first asked for. */
const constantReader = (graph: Graph, constants: Constants) => (name: string): HostTensor | undefined => {
  const known = constants.get(name)
  if (known !== undefined) return known
  const node = graph.get(name)
  const tensor = node?.op === 'Const' ? node.attrs['value']?.tensor : undefined
  if (tensor === null || tensor === undefined) return undefined
  const value = decodeTensorProto(tensor, `the constant ${name}`)
  constants.set(name, value)
  return value
}
