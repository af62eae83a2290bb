import { requireCount } from '@millrace/core'
import type { Graph, GraphNode, LoweredVariable, Tensor, VariableReads } from '@millrace/export'
import type { OptimizerUpdates } from '../optimizers/apply-gradients.js'
import type { Optimizer } from '../optimizers/index.js'
import type { SynchronousGraph, SynchronousTraining } from '../synchronous/synchronous.js'
import type { BatchInput } from './batch-source.js'
import type { Objective } from './objective.js'
import type { Replica, ReplicaStep } from './replica.js'
import type { StepFences } from './step-fences.js'

/** One of the steps that a run makes. */
export interface TrainingStep extends Objective {
  readonly outputs: Readonly<Record<string, Tensor>>
  readonly learningRate: Tensor
  /** This step, and those before it. */
  readonly train: GraphNode
  /** The global step when this step is done, int64 scalar. Synchronous: the step that its gradients are for. */
  readonly globalStep: Tensor
}

/** What steps are made of. */
export interface StepsContext {
  readonly graph: Graph
  readonly replica: Replica
  readonly globalStep: LoweredVariable
  readonly optimizer: Optimizer
  readonly updates: OptimizerUpdates
  readonly count: number
  /** Adds what takes a batch. */
  readonly nextBatch: BatchInput['next']
  readonly fences: StepFences | undefined
}

/** The steps of a run. */
export interface Steps {
  readonly steps: readonly TrainingStep[]
  readonly synchronous: SynchronousGraph | undefined
}

const onDevice = <A>(graph: Graph, { device }: LoweredVariable, body: () => A): A => (device === undefined ? body() : graph.withDevice(device, body))

/** Steps of a run in scopes of their own; that of the only one has no scope. */
const inScopes = (graph: Graph, count: number, body: () => TrainingStep): TrainingStep[] => {
  requireCount(count, 1, 'stepsPerRun')
  return Array.from({ length: count }, (_, index) => (count === 1 ? body() : graph.scope(`step_${index + 1}`, body)))
}

/** The global step, read after other nodes. */
const readStep = (graph: Graph, globalStep: LoweredVariable, control: readonly GraphNode[]): Tensor =>
  control.length === 0 ? globalStep.value : onDevice(graph, globalStep, () => graph.one('ReadVariableOp', [globalStep.handle], { dtype: 'int64' }, { control }))

const stepsDone = (graph: Graph, globalStep: LoweredVariable, before: Tensor): Tensor =>
  onDevice(graph, globalStep, () => graph.one('Cast', [before], { DstT: 'float32' }, { name: 'steps' }))

/** The global step counts a step when all its updates are done, and it has been read. */
const countStep = (graph: Graph, globalStep: LoweredVariable, before: readonly GraphNode[]): GraphNode =>
  graph.scope('global_step_update', () =>
    onDevice(graph, globalStep, () => graph.add('AssignAddVariableOp', [globalStep.handle, graph.scalar('int64', 1n, 'one')], {}, { control: before })),
  )

/** On the device of the global step, so that the end of a step is not sent back to the worker. */
const trainNode = (graph: Graph, globalStep: LoweredVariable, control: readonly GraphNode[]): GraphNode =>
  onDevice(graph, globalStep, () => graph.add('NoOp', [], {}, { name: 'train', control }))

/**
 * Steps whose gradients the worker applies itself. A variable is read again when its own update is done, so that nothing is awaited
 * across devices but what a step needs.
 */
export const asynchronousSteps = ({ graph, replica, globalStep, optimizer, updates, count, nextBatch, fences }: StepsContext): Steps => {
  const written = new Map<Tensor, GraphNode[]>()
  const after: VariableReads['after'] = ({ handle }) => written.get(handle) ?? []
  let counted: readonly GraphNode[] = []
  const steps = inScopes(graph, count, () => {
    const before = readStep(graph, globalStep, counted)
    const done = stepsDone(graph, globalStep, before)
    // No batch is taken before the step of the last one is done, so that at the end of the data no batch that was taken is lost.
    const made = replica.step(nextBatch(counted), { after, passed: passedBy(fences) }, optimizer)
    const pairs = fences?.gradients(made.gradients) ?? made.gradients
    const applied = updates.apply(pairs, done, fences?.steps(done, pairs))
    const all = [...applied.updates, ...made.updates]
    written.clear()
    for (const node of all) written.set(node.inputs[0] as Tensor, [...(written.get(node.inputs[0] as Tensor) ?? []), node])
    const ends = [...all, done.node]
    // Those on other servers end after what was looked at here.
    counted = [countStep(graph, globalStep, fences === undefined ? ends : [fences.look(globalStep.device ?? '', ends)])]
    return {
      ...objectiveOf(made), learningRate: applied.learningRate, globalStep: readStep(graph, globalStep, counted), train: trainNode(graph, globalStep, counted),
    }
  })
  return { steps, synchronous: undefined }
}

/** What is put before changes that layers make. */
const passedBy = (fences: StepFences | undefined): VariableReads['passed'] =>
  fences === undefined ? undefined : (variable, change) => fences.change(variable, change)

const objectiveOf = ({ loss, losses, metrics, outputs }: ReplicaStep): Pick<TrainingStep, 'loss' | 'losses' | 'metrics' | 'outputs'> => ({ loss, losses, metrics, outputs })

/** Steps that send their gradients to accumulators, and the chief's update that takes and applies them. */
export const synchronousSteps = ({ graph, replica, globalStep, optimizer, updates, count, nextBatch, fences }: StepsContext, training: SynchronousTraining): Steps => {
  let sent: readonly GraphNode[] = []
  const stale: Tensor[] = []
  const made = inScopes(graph, count, () => {
    // The batch is there before the token is taken, so that the end of the data leaves the token to be taken later.
    const batch = nextBatch(sent)
    const { step: localStep, turn } = training.begin([...sent, ...Object.values(batch).map(({ node }) => node)], fences)
    const step = replica.step(batch, { after: () => [localStep.node], passed: passedBy(fences) }, undefined)
    const sending = training.send(step.gradients, turn)
    stale.push(sending.stale)
    const train = trainNode(graph, globalStep, [...sending.sent, ...step.updates])
    sent = [train]
    return { ...objectiveOf(step), learningRate: localStep, globalStep: localStep, train }
  })
  return graph.scope('synchronous', () => {
    const done = stepsDone(graph, globalStep, readStep(graph, globalStep, []))
    const { means, passed } = training.take(optimizer)
    const applied = graph.withDevice(globalStep.device ?? '', () => updates.apply(means, done))
    const counted = countStep(graph, globalStep, training.countParts([...passed, ...applied.updates, done.node]))
    const update = onDevice(graph, globalStep, () => graph.add('NoOp', [], {}, { name: 'update', control: training.release([counted]) }))
    const total = stale.length === 1 ? (stale[0] as Tensor) : onDevice(graph, globalStep, () => graph.one('AddN', [stale]))
    return {
      steps: made.map((step) => ({ ...step, learningRate: applied.learningRate })),
      synchronous: { update, ...training.openings(), stale: total },
    }
  })
}
