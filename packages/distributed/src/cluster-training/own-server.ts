import { failure, run, throwIfAborted } from '@millrace/core'
import { Graph, addVariable, tensorNumbers } from '@millrace/export'
import { taskAddress, type Task } from '../cluster/index.js'
import { listens } from '../servers/listens.js'
import { startTensorFlowServer } from '../servers/index.js'
import { remoteSession } from '../session/index.js'
import { overName } from './control.js'
import type { ClusterTrainingOptions } from './options.js'
import { faultOf } from './recovery.js'
import { describeTask, deviceOf, type Roles } from './roles.js'
import { sleep } from './sleep.js'

/** Starts the TensorFlow server of a task in this process, where that is wanted. */
export const hostServer = async ({ spec }: Roles, task: Task, { server = 'auto', library }: ClusterTrainingOptions, signal: AbortSignal | undefined): Promise<void> => {
  if (server === 'external') return
  const address = taskAddress(spec, task)
  if (address === undefined) throw failure({ tag: 'Usage', code: 'CLUSTER_TASK', problem: `the cluster has no task ${describeTask(task)}` })
  if (server === 'auto' && (await listens(address))) return
  await run(startTensorFlowServer({ cluster: spec, job: task.type, task: task.index, library }), { signal })
}

const POLL_MS = 500
/** Others still ask whether the training is over. */
const LINGER_MS = 2_000

/** Until the chief says on a parameter server that the training is over. */
export const waitUntilOver = async ({ spec }: Roles, task: Task, options: ClusterTrainingOptions, signal: AbortSignal | undefined): Promise<void> => {
  const device = deviceOf(task)
  const graph = new Graph()
  const name = overName(task.index)
  const over = addVariable(graph, { key: name, name, dtype: 'int64', shape: [], trainable: false }, device)
  const known = graph.one('VarIsInitializedOp', [over.handle], {}, { device })
  const limits = { timeoutMs: options.recovery?.stepTimeoutMs ?? 60_000, signal }
  for (;;) {
    throwIfAborted(signal)
    try {
      const session = await run(remoteSession({ target: `grpc://${taskAddress(spec, task) ?? ''}`, graph: graph.encode(), config: { deviceFilters: [device] }, timeoutMs: limits.timeoutMs }), { signal })
      try {
        for (;;) {
          const [isKnown] = await session.run({ fetches: [known.name] }, limits)
          if (tensorNumbers(isKnown)[0] === 1) {
            const [value] = await session.run({ fetches: [over.value.name] }, limits)
            if (tensorNumbers(value)[0] === 1) return
          }
          await sleep(POLL_MS, signal)
        }
      } finally {
        await session.close().catch(() => undefined)
      }
    } catch (thrown) {
      throwIfAborted(signal)
      if (faultOf(thrown) === undefined) throw thrown
      await sleep(POLL_MS, signal)
    }
  }
}

/** As a parameter server: serves until the training is over, and a little longer. */
export const serveVariables = async (roles: Roles, task: Task, options: ClusterTrainingOptions, signal: AbortSignal | undefined): Promise<void> => {
  await waitUntilOver(roles, task, options, signal)
  await sleep(LINGER_MS, signal)
}
