import type { CallOptions, Session } from '@millrace/export'
import type { Task } from '../cluster/index.js'
import { readInputs, type ToldInput } from './control.js'
import { isEndOfData } from './recovery.js'
import type { WorkerGraph } from './worker-graph.js'

/** Another number when the task's server was started again: it has lost what it was reading. */
export const incarnationOf = async (session: Session, { type, index }: Task, limits: CallOptions): Promise<bigint> => {
  const devices = await session.listDevices(limits)
  return devices.find(({ name }) => name.startsWith(`/job:${type}/replica:0/task:${index}/`))?.incarnation ?? 0n
}

/** Makes what a worker's server reads go on where its state was told. @returns where that is */
export const openSource = async (session: Session, { control, inputState, training: { source } }: WorkerGraph, share: number, generation: number, limits: CallOptions): Promise<Pick<ToldInput, 'position' | 'counted' | 'inDoubt'> | undefined> => {
  if (source === undefined) return undefined
  await session.run({ targets: [source.initialize.name] }, limits)
  const told = (await readInputs(session, control, generation, limits))[share]
  if (told === undefined) return undefined
  const { position, counted, inDoubt, state } = told
  if (state.length > 0) await inputState?.write(session, state, limits)
  return { position, counted, inDoubt }
}

/** Takes batches from what a worker's server reads, and does nothing with them. */
export const passOver = async (session: Session, { passOver: next }: Pick<WorkerGraph, 'passOver'>, batches: number, limits: CallOptions): Promise<void> => {
  if (next === undefined) return
  try {
    for (let batch = 0; batch < batches; batch += 1) await session.run({ targets: [next.name] }, limits)
  } catch (thrown) {
    // The next step meets the end, too.
    if (!isEndOfData(thrown)) throw thrown
  }
}
