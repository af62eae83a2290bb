import { failure, throwIfAborted } from '@millrace/core'
import type { DType } from '../../tensor/dtypes.js'
import type { HostTensor } from '../../tensor/host-tensor.js'
import { orderedNodes, refKey, type Graph, type Node, type Ref } from '../graph/graph.js'
import { kernels, type KernelContext, type RunKernel } from '../kernels/index.js'
import { loadNumericModel, type NumericModel } from '../numeric/numeric-model.js'
import { numericTopology } from '../numeric/topology.js'
import type { SignatureRefs } from './isolate-feeds.js'
import { outputDtype } from './output-dtypes.js'
import { isSource, phasesOf, placeNodes } from './place-nodes.js'

/** Consecutive nodes that run in one place. */
type Step =
  | { readonly place: 'own'; readonly nodes: readonly Node[] }
  | { readonly place: 'numeric'; readonly nodes: readonly Node[]; readonly feeds: readonly Ref[]; readonly fetches: readonly (Ref & { readonly dtype: DType })[] }

/** A graph that is ready to run. */
export interface Program {
  /** Backend of TensorFlow.js, where a part of the graph runs in it. */
  readonly backend: string | undefined
  /** Number of nodes that run in kernels of ours, and in TensorFlow.js. */
  readonly nodes: { readonly own: number; readonly numeric: number }
  /** Runs a signature. @param feeds - values by the signature's names of its inputs */
  run(signature: string, feeds: ReadonlyMap<string, HostTensor>, signal?: AbortSignal): Promise<ReadonlyMap<string, HostTensor>>
  dispose(): void
}

/** What {@link compileProgram} needs beside the graph. */
export interface ProgramOptions {
  /** Value of a constant or frozen variable; `undefined` for any other node. */
  readonly constant: (name: string) => HostTensor | undefined
  /** Prepared nodes by name: tables live in them. */
  readonly prepared: Map<string, RunKernel>
  readonly context: KernelContext
}

const listOps = (nodes: readonly { readonly node: Node; readonly reason: string | undefined }[]): string => {
  const byOp = new Map<string, string[]>()
  for (const { node, reason } of nodes) {
    const key = reason === undefined ? node.op : `${node.op} (${reason})`
    byOp.set(key, [...(byOp.get(key) ?? []), node.name])
  }
  return [...byOp].map(([op, names]) => `${op} (${names.length > 4 ? `${names.slice(0, 4).join(', ')} and ${names.length - 4} more` : names.join(', ')})`).join('; ')
}

/** Prepares a node once. @throws `Model` for attributes that its kernel does not support */
export const prepareNode = (node: Node, prepared: Map<string, RunKernel>): RunKernel => {
  const known = prepared.get(node.name)
  if (known !== undefined) return known
  const run = kernels[node.op]!(node)
  prepared.set(node.name, run)
  return run
}

/**
 * Plans where and in which order the nodes run, and prepares them.
 *
 * @throws `Model` that names every node whose op neither we nor TensorFlow.js can run
 */
export const compileProgram = async (graph: Graph, signatures: readonly SignatureRefs[], options: ProgramOptions): Promise<Program> => {
  const targets = signatures.flatMap((signature) => [...signature.outputs.values()].map((ref) => ref.node))
  const nodes = orderedNodes(graph, targets)
  const { places, unsupported } = placeNodes(graph, nodes)
  const refused = unsupported.map((node): { node: Node; reason: string | undefined } => ({ node, reason: undefined }))
  for (const node of nodes) {
    if (places.get(node.name) !== 'own') continue
    try {
      prepareNode(node, options.prepared)
    } catch (thrown) {
      refused.push({ node, reason: (thrown as Error).message })
    }
  }
  if (refused.length > 0) throw cannotRun(graph, signatures, refused)
  const phases = phasesOf(nodes, places)
  const numericNodes = nodes.filter((node) => places.get(node.name) === 'numeric')
  const isInner = (node: Node, input: Ref): boolean => places.get(input.node) === 'numeric' && phases.get(input.node) === phases.get(node.name)
  const dtypeOf = (ref: Ref): DType => outputDtype(graph.get(ref.node)!, ref.output) ?? 'float32'
  const model = numericNodes.length === 0 ? undefined : await loadNumericModel(numericTopology(numericNodes, isInner, options.constant, dtypeOf))
  const steps = new Map(signatures.map((signature) => [signature.name, stepsOf(graph, signature, phases, isInner, dtypeOf, options)]))
  const byName = new Map(signatures.map((signature) => [signature.name, signature]))
  return {
    backend: model?.backend,
    nodes: { own: [...places.values()].filter((place) => place === 'own').length, numeric: numericNodes.length },
    run: async (name, feeds, signal) => runSteps(byName.get(name)!, steps.get(name)!, feeds, model, options, signal),
    dispose: () => model?.dispose(),
  }
}

const cannotRun = (graph: Graph, signatures: readonly SignatureRefs[], refused: readonly { readonly node: Node; readonly reason: string | undefined }[]): Error => {
  const names = new Set(refused.map(({ node }) => node.name))
  const runnable = signatures.filter((signature) => !orderedNodes(graph, [...signature.outputs.values()].map((ref) => ref.node)).some((node) => names.has(node.name)))
  const others = runnable.length === 0 ? '' : ` The signatures that run are: ${runnable.map((signature) => signature.name).join(', ')}; load only them with { signatures: [...] }.`
  return failure({
    tag: 'Model',
    code: 'UNSUPPORTED_OPS',
    problem: `the graph has ops that nothing here can run: ${listOps(refused)}`,
    remedy: `Install @tensorflow/tfjs-node and load with { runtime: 'native' }, or export the model without them.${others}`,
  })
}

const stepsOf = (graph: Graph, signature: SignatureRefs, phases: ReadonlyMap<string, number>, isInner: (node: Node, input: Ref) => boolean, dtypeOf: (ref: Ref) => DType, options: ProgramOptions): Step[] => {
  const outputs = [...signature.outputs.values()]
  const nodes = orderedNodes(graph, outputs.map((ref) => ref.node)).filter((node) => !isSource(node))
  const last = Math.max(-1, ...nodes.map((node) => phases.get(node.name)!))
  const steps: Step[] = []
  for (let phase = 0; phase <= last; phase++) {
    const here = nodes.filter((node) => phases.get(node.name) === phase)
    if (here.length === 0) continue
    if (phase % 2 === 0) {
      steps.push({ place: 'own', nodes: here })
      continue
    }
    const own = new Set(here.map((node) => node.name))
    const feeds = new Map<string, Ref>()
    for (const node of here) for (const input of node.inputs) if (!isInner(node, input) && options.constant(input.node) === undefined) feeds.set(refKey(input), input)
    const leaving = [...outputs, ...nodes.filter((node) => !own.has(node.name)).flatMap((node) => node.inputs)].filter((ref) => own.has(ref.node))
    const fetches = new Map(leaving.map((ref) => [refKey(ref), { ...ref, dtype: dtypeOf(ref) }]))
    steps.push({ place: 'numeric', nodes: here, feeds: [...feeds.values()], fetches: [...fetches.values()] })
  }
  return steps
}

const runSteps = async (
  signature: SignatureRefs,
  steps: readonly Step[],
  feeds: ReadonlyMap<string, HostTensor>,
  model: NumericModel | undefined,
  options: ProgramOptions,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, HostTensor>> => {
  const values = new Map<string, HostTensor>()
  for (const [name, ref] of signature.inputs) values.set(refKey(ref), feeds.get(name)!)
  const valueOf = (ref: Ref): HostTensor => {
    const value = options.constant(ref.node) ?? values.get(refKey(ref))
    if (value !== undefined) return value
    throw failure({ tag: 'Model', code: 'NOT_FED', problem: `the graph needs the placeholder ${ref.node}, which the signature ${signature.name} does not feed` })
  }
  for (const step of steps) {
    throwIfAborted(signal)
    if (step.place === 'own') {
      for (const node of step.nodes) {
        const results = options.prepared.get(node.name)!(node.inputs.map(valueOf), options.context)
        results.forEach((value, output) => values.set(refKey({ node: node.name, output }), value))
      }
    } else {
      const results = await model!.run(new Map(step.feeds.map((ref) => [refKey(ref), valueOf(ref)])), step.fetches)
      step.fetches.forEach((ref, i) => values.set(refKey(ref), results[i]!))
    }
  }
  return new Map([...signature.outputs].map(([name, ref]) => [name, valueOf(ref)]))
}

