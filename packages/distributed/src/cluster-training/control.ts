import { failure } from '@millrace/core'
import { addVariable, tensorNumbers, tensorTexts, type Graph, type GraphNode, type HostTensor, type LoweredVariable, type Session, type Tensor } from '@millrace/export'
import type { CallOptions } from '@millrace/export'
import type { TrainingGraph } from '../training-graph/index.js'
import { beginning, type InputPosition } from './fed-input.js'

/**
 * What the processes of a training tell each other, in variables on the parameter servers:
 *
 * - `generation`: 0 while the chief gives variables their values, then a number that it has not had before. Who finds another number than
 *   before goes back to the position that belongs to these values. Below 0 while the chief begins again with the values that are there.
 * - `training`: a fingerprint of the training that these values are of
 * - `last step`: the global step at which everybody stops
 * - `progress`: of each worker, where it is in its data, and behind these, where the chief has set it when variables got their values.
 *   What a worker says is of a generation; of another one than the variables', as when it comes late, it counts for nothing
 * - `done`: of each worker, how many of its steps are done since the counts were last cleared. The steps themselves count, in step the
 *   updates that they went into, so that a worker that was killed leaves no doubt about them
 * - `over`, on each parameter server: 1 when it may end, 2 when the training came to no good end
 * - `alive`, there, too: when the chief last showed that it lives, by its own clock; all that counts is that it changes
 */
export interface Control {
  /** One for each device with variables: whether all of them have values. */
  readonly ready: readonly Tensor[]
  readonly generation: Tensor
  readonly training: Tensor
  readonly lastStep: Tensor
  readonly progress: Tensor
  /** Of each worker, how many of its steps are done; where the global step is. In step without backups one tensor for all. */
  readonly done: readonly Tensor[]
  /** There alone: how many an update took, which may have been cut off amid that. */
  readonly taken: Tensor | undefined
  /** Targets: the first `n` steps of a run, each counted when it is done, are the target `n - 1`. */
  readonly steps: readonly GraphNode[]
  /** Of each worker, the state of what its server reads, and where that is; empty where it is fed. */
  readonly inputs: Tensor
  readonly over: readonly Tensor[]
  readonly alive: readonly Tensor[]
  readonly setGeneration: Assignment
  readonly setTraining: Assignment
  readonly setLastStep: Assignment
  readonly setProgress: Assignment
  readonly setInputs: Assignment
  readonly setDone: readonly Assignment[]
  /** Those of this worker alone; fed one text. */
  readonly setOwnProgress: Assignment
  readonly setOwnInput: Assignment
  readonly setOver: readonly Assignment[]
  readonly setAlive: readonly Assignment[]
  /** Lets in the session of this worker that has the number that is fed, on each device that steps change; no other one of it. */
  readonly letIn: readonly Assignment[]
  /** Lets in no session. */
  readonly shutOut: readonly GraphNode[]
}

/** A node that gives a variable the value that is fed. */
export interface Assignment {
  readonly value: Tensor
  readonly node: GraphNode
}

/** What a worker says of itself. */
export interface WorkerProgress {
  readonly position: InputPosition
  /** Rows of steps that are done, those that were done twice counted twice. */
  readonly seen: number
  /** Rows that were fed again, after a restore or because the worker was told to. */
  readonly repeated: number
  /** Rows of steps of which nobody knows whether they were done; they are not fed again. */
  readonly uncertain: number
  /** True when it has come to its end. */
  readonly ended: boolean
  /** What the count of its steps was at the position; below 0 in what was restored, where the count begins anew. */
  readonly counted: number
  /** Whether a process has driven it since the variables got their values: it may have sent more than it could tell. */
  readonly driven: boolean
  /** Batches behind those that are done whose update was cut off, and that no word before told of. Default 0. */
  readonly inDoubt?: number | undefined
  /** True where the chief has set it beside values that were kept: what was done stays done. */
  readonly kept?: boolean | undefined
}

export const notBegun: WorkerProgress = { position: beginning, seen: 0, repeated: 0, uncertain: 0, ended: false, counted: 0, driven: false }

/** The state of what a worker's server reads. */
export interface ToldInput extends Pick<WorkerProgress, 'position' | 'counted' | 'inDoubt'> {
  readonly state: Uint8Array
}

/** With the generation that it is of. */
export type Told<T> = T & { readonly of: number }

/** In one piece, so that no state is taken for that of another position. */
export const encodeInput = ({ state, ...at }: Told<ToldInput>): Uint8Array => Buffer.concat([Buffer.from(`${JSON.stringify(at)}\n`), state])

const decodeInput = (bytes: Uint8Array | null | undefined): Told<ToldInput> | undefined => {
  if (bytes === null || bytes === undefined || bytes.length === 0) return undefined
  const end = bytes.indexOf(10)
  return { ...(JSON.parse(Buffer.from(bytes.subarray(0, end)).toString()) as Omit<Told<ToldInput>, 'state'>), state: bytes.subarray(end + 1) }
}

/** Name of the variable that tells a parameter server that it may end. */
export const overName = (task: number): string => `control/over_${task}`

/** Name of the variable that tells a parameter server that the chief lives. */
export const aliveName = (task: number): string => `control/alive_${task}`

const assignment = (graph: Graph, { weight, handle, device }: LoweredVariable): Assignment => {
  const value = graph.placeholder(`${weight.name}/next`, weight.dtype, weight.shape)
  return { value, node: graph.add('AssignVariableOp', [handle, value], {}, { name: `${weight.name}/assign`, device }) }
}

/**
 * Adds the control variables.
 *
 * @param ps - indices of the parameter servers; the first holds what they share
 * @param workers - how many there are, and which of them this one is
 */
export const addControl = (
  { graph, variables, globalStep, steps, synchronous, fences }: Pick<TrainingGraph, 'graph' | 'variables' | 'globalStep' | 'steps' | 'synchronous' | 'fences'>,
  ps: readonly number[],
  workers: { readonly index: number; readonly count: number },
): Control => graph.atRoot(() => {
  const device = `/job:ps/task:${ps[0]}`
  const variable = (name: string, dtype: 'int64' | 'string', shape: readonly number[], on = device): LoweredVariable =>
    addVariable(graph, { key: name, name, dtype, shape, trainable: false }, on)
  const generation = variable('control/generation', 'int64', [])
  const training = variable('control/training', 'int64', [])
  const lastStep = variable('control/last_step', 'int64', [])
  const progress = variable('control/progress', 'string', [2 * workers.count])
  const over = ps.map((task) => variable(overName(task), 'int64', [], `/job:ps/task:${task}`))
  const alive = ps.map((task) => variable(aliveName(task), 'int64', [], `/job:ps/task:${task}`))
  const inputs = variable('control/inputs', 'string', [2 * workers.count])
  const parts = synchronous?.parts
  const done = parts !== undefined ? [] : Array.from({ length: workers.count }, (_, index) => variable(`control/done_${index}`, 'int64', [], globalStep.device))
  const own = ({ weight: { name, dtype }, handle, device: on = '' }: LoweredVariable): Assignment => {
    const value = graph.placeholder(`${name}/own`, dtype, [1])
    const index = graph.withDevice(on, () => graph.vector('int32', [workers.index], `${name}/index`))
    return { value, node: graph.add('ResourceScatterUpdate', [handle, index, value], { dtype }, { name: `${name}/own/assign`, device: on }) }
  }
  const fenced = fences?.variables ?? []
  const nobody = ({ weight: { name }, handle, device: on = '' }: LoweredVariable): GraphNode => graph.withDevice(on, () =>
    graph.add('AssignVariableOp', [handle, graph.vector('int64', Array.from({ length: workers.count }, () => 0n), `${name}/nobody`)], {}, { name: `${name}/shut_out` }))
  return {
    ready: addReady(graph, [...variables, generation, training, lastStep, progress, inputs, ...done, ...over, ...alive, ...fenced, ...(parts === undefined ? [] : [parts.taken, parts.applied])]),
    generation: generation.value,
    training: training.value,
    lastStep: lastStep.value,
    progress: progress.value,
    inputs: inputs.value,
    done: parts === undefined ? done.map(({ value }) => value) : [parts.applied.value],
    taken: parts?.taken.value,
    steps: parts === undefined ? countSteps(graph, done[workers.index]!, steps.map(({ train }) => train)) : steps.map(({ train }) => train),
    over: over.map(({ value }) => value),
    alive: alive.map(({ value }) => value),
    setGeneration: assignment(graph, generation),
    setTraining: assignment(graph, training),
    setLastStep: assignment(graph, lastStep),
    setProgress: assignment(graph, progress),
    setInputs: assignment(graph, inputs),
    setDone: done.map((one) => assignment(graph, one)),
    setOwnProgress: own(progress),
    setOwnInput: own(inputs),
    setOver: over.map((one) => assignment(graph, one)),
    setAlive: alive.map((one) => assignment(graph, one)),
    letIn: fenced.map(own),
    shutOut: fenced.map(nobody),
  }
})

/** Beside the global step, where a step ends. */
const countSteps = (graph: Graph, { handle, device }: LoweredVariable, trains: readonly GraphNode[]): GraphNode[] => {
  const counted: GraphNode[] = []
  const one = graph.withDevice(device ?? '', () => graph.scalar('int64', 1n, 'control/one'))
  for (const train of trains) {
    counted.push(graph.add('AssignAddVariableOp', [handle, one], {}, { name: 'control/count', device, control: [train, ...counted.slice(-1)] }))
  }
  return counted
}

/** One number for each device, so that a model of a thousand variables is asked in as many answers as there are servers. */
const addReady = (graph: Graph, variables: readonly LoweredVariable[]): Tensor[] => {
  const devices = [...new Set(variables.map(({ device }) => device ?? ''))]
  return devices.map((device, index) => graph.withDevice(device, () => graph.scope(`control/ready_${index}`, () => {
    const flags = variables.filter((one) => (one.device ?? '') === device).map(({ handle }) => graph.one('VarIsInitializedOp', [handle]))
    return flags.reduce((all, one) => graph.one('LogicalAnd', [all, one]))
  })))
}

const number = (value: number | undefined): number => value ?? 0

/** True when all variables have values. */
export const isReady = async (session: Session, { ready }: Control, options: CallOptions): Promise<boolean> => {
  const flags = await session.run({ fetches: ready.map(({ name }) => name) }, options)
  return flags.every((flag) => tensorNumbers(flag)[0] === 1)
}

/** What the chief says. */
export interface ChiefWord {
  readonly generation: number
  readonly lastStep: number
  /** Well or not. */
  readonly isOver: boolean
  /** Whether it came to no good end. */
  readonly hasFailed: boolean
  /** Another number whenever the chief has shown that it lives. */
  readonly alive: number
}

export const readControl = async (session: Session, { generation, lastStep, over, alive }: Control, options: CallOptions): Promise<ChiefWord> => {
  const words = await session.run({ fetches: [generation, lastStep, over[0]!, alive[0]!].map(({ name }) => name) }, options)
  const [own, last, end, life] = words.map((one) => number(tensorNumbers(one)[0]))
  return { generation: number(own), lastStep: number(last), isOver: number(end) !== 0, hasFailed: end === 2, alive: number(life) }
}

/** @throws `Engine` as of a fault, when the variables have got other values: the next session has to look at them */
export const requireGeneration = ({ generation }: Pick<ChiefWord, 'generation'>, own: number | undefined): void => {
  if (generation !== own) throw failure({ tag: 'Engine', code: 'TF_ABORTED', problem: 'the variables were given other values' })
}

/** A training that a chief finds under way. */
export interface FoundTraining {
  readonly fingerprint: number
  /** When its chief last showed that it lives: milliseconds since 1970, by that chief's clock. */
  readonly alive: number
}

/** To be read before the chief that looks shows that it lives. */
export const readFound = async (session: Session, { training, alive }: Control, options: CallOptions): Promise<FoundTraining> => {
  const [fingerprint, life] = await session.run({ fetches: [training.name, alive[0]!.name] }, options)
  return { fingerprint: number(tensorNumbers(fingerprint)[0]), alive: number(tensorNumbers(life)[0]) }
}

/**
 * What is of the variables' generation: of each worker its own word, else what the chief has set. That is of another generation where the chief has begun
 * again, and did not come to the end of it; a worker's word of before is done with then.
 */
const current = <T extends { readonly of: number }>(words: readonly (T | undefined)[], generation: number): (T | undefined)[] => {
  const count = words.length / 2
  return words.slice(0, count).map((word, share) => {
    const set = words[count + share]
    return word?.of === generation && (set ?? word).of === generation ? word : set
  })
}

/** Where all workers are, by a generation. */
export const readProgress = async (session: Session, { progress }: Control, generation: number, options: CallOptions): Promise<Told<WorkerProgress>[]> => {
  const [texts] = await session.run({ fetches: [progress.name] }, options)
  const words = tensorTexts(texts!).map((text) => (text === '' ? undefined : { ...notBegun, ...JSON.parse(text) as Told<WorkerProgress> }))
  return current(words, generation).map((word) => word ?? { ...notBegun, of: generation })
}

/** How many of its steps each worker has done. */
export const readDone = async (session: Session, { done }: Control, options: CallOptions): Promise<number[]> => {
  const counts = await session.run({ fetches: done.map(({ name }) => name) }, options)
  return counts.flatMap((count) => tensorNumbers(count).map(number))
}

/** How many of each worker's gradients updates took, in step without backups. */
export const readTaken = async (session: Session, { taken }: Control, options: CallOptions): Promise<number[] | undefined> => {
  if (taken === undefined) return undefined
  const [counts] = await session.run({ fetches: [taken.name] }, options)
  return tensorNumbers(counts).map(number)
}

/** Gives control variables their values. */
export const assign = async (session: Session, pairs: readonly (readonly [Assignment, bigint | BigInt64Array | readonly (string | Uint8Array)[]])[], options: CallOptions): Promise<void> => {
  await session.run({
    feeds: pairs.map(([{ value }, next]) => [value.name, next] as const),
    targets: pairs.map(([{ node }]) => node.name),
  }, options)
}

/** States of what the workers' servers read, by a generation. */
export const readInputs = async (session: Session, { inputs }: Control, generation: number, options: CallOptions): Promise<(Told<ToldInput> | undefined)[]> => {
  const [{ data }] = (await session.run({ fetches: [inputs.name] }, options)) as readonly [HostTensor]
  return ArrayBuffer.isView(data) ? [] : current(data.toArray().map(decodeInput), generation)
}

/** Says how far this worker is, and, where its server reads, in what state that is. */
export const publishProgress = (session: Session, { setOwnProgress, setOwnInput }: Control, progress: Told<WorkerProgress>, options: CallOptions, state?: Uint8Array): Promise<void> =>
  assign(session, [[setOwnProgress, [JSON.stringify(progress)]], ...(state === undefined ? [] : [[setOwnInput, [encodeInput({ of: progress.of, position: progress.position, counted: progress.counted, state })]] as const])], options)
