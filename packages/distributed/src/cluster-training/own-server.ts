import { failure, run, throwIfAborted } from '@millrace/core'
import { Graph, addVariable, tensorNumbers, type CallOptions, type Session, type Tensor } from '@millrace/export'
import { taskAddress, type Task } from '../cluster/index.js'
import { listens } from '../servers/listens.js'
import { startTensorFlowServer } from '../servers/index.js'
import { remoteSession } from '../session/index.js'
import { ChiefWatch, throwIfFailed } from './chief-life.js'
import { aliveName, overName } from './control.js'
import type { ClusterTrainingOptions } from './options.js'
import { faultOf } from './recovery.js'
import { describeTask, deviceOf, type Roles } from './roles.js'
import { sleep } from './sleep.js'

/** Starts the TensorFlow server of a task in this process, where that is wanted. @returns its target, if so */
export const hostServer = async ({ spec }: Roles, task: Task, { server = 'auto', library }: ClusterTrainingOptions, signal: AbortSignal | undefined): Promise<string | undefined> => {
  if (server === 'external') return undefined
  const address = taskAddress(spec, task)
  if (address === undefined) throw failure({ tag: 'Usage', code: 'CLUSTER_TASK', problem: `the cluster has no task ${describeTask(task)}` })
  if (server === 'auto' && (await listens(address))) return undefined
  const { target } = await run(startTensorFlowServer({ cluster: spec, job: task.type, task: task.index, library }), { signal })
  return target
}

const POLL_MS = 500
/** Others still ask whether the training is over. */
const LINGER_MS = 2_000

/** A variable, and whether it has a value. */
interface Told {
  readonly value: Tensor
  readonly known: Tensor
}

const valueOf = async (session: Session, { value, known }: Told, limits: CallOptions): Promise<number | undefined> => {
  const [isKnown] = await session.run({ fetches: [known.name] }, limits)
  if (tensorNumbers(isKnown)[0] !== 1) return undefined
  const [told] = await session.run({ fetches: [value.name] }, limits)
  return tensorNumbers(told)[0]
}

/**
 * Until the chief says on a parameter server that the training is over.
 *
 * @throws `Engine` when it says that it has failed, or says nothing for longer than the bound of a recovery
 */
export const waitUntilOver = async ({ spec }: Roles, task: Task, options: ClusterTrainingOptions, signal: AbortSignal | undefined): Promise<void> => {
  const device = deviceOf(task)
  const graph = new Graph()
  const [over, alive] = [overName(task.index), aliveName(task.index)].map((name) => {
    const { value, handle } = addVariable(graph, { key: name, name, dtype: 'int64', shape: [], trainable: false }, device)
    return { value, known: graph.one('VarIsInitializedOp', [handle], {}, { device }) }
  }) as [Told, Told]
  const limits = { timeoutMs: options.recovery?.stepTimeoutMs ?? 60_000, signal }
  const watch = new ChiefWatch(options.recovery ?? {})
  for (;;) {
    throwIfAborted(signal)
    try {
      const session = await run(remoteSession({ target: `grpc://${taskAddress(spec, task) ?? ''}`, graph: graph.encode(), config: { deviceFilters: [device] }, timeoutMs: limits.timeoutMs }), { signal })
      try {
        for (;;) {
          const end = await valueOf(session, over, limits)
          if (end === 1) return
          throwIfFailed({ hasFailed: end === 2 })
          watch.saw(await valueOf(session, alive, limits))
          await sleep(POLL_MS, signal)
        }
      } finally {
        await session.close().catch(() => undefined)
      }
    } catch (thrown) {
      throwIfAborted(signal)
      if (faultOf(thrown) === undefined) throw thrown
      watch.saw(undefined)
      await sleep(POLL_MS, signal)
    }
  }
}

/** As a parameter server: serves until the training is over, and a little longer. */
export const serveVariables = async (roles: Roles, task: Task, options: ClusterTrainingOptions, signal: AbortSignal | undefined): Promise<void> => {
  try {
    await waitUntilOver(roles, task, options, signal)
  } finally {
    if (signal?.aborted !== true) await sleep(LINGER_MS, signal)
  }
}
