import type { CallOptions, Session } from '@millrace/export'
import type { SynchronousGraph } from '../synchronous/index.js'
import { sleep } from './sleep.js'

/** How long updates of lost sessions have to end by themselves, and how often they are given a part that is nothing, if they do not. */
const [PATIENCE_MS, NUDGE_MS] = [250, 10]

/**
 * Empties what workers in step send to, and ends updates that are under way; `start` has to be run then. A server may not know for long that
 * the session of an update is lost, as when a machine is cut off.
 */
export const clearInStep = async (session: Session, { clear, nudge }: Pick<SynchronousGraph, 'clear' | 'nudge'>, limits: CallOptions): Promise<void> => {
  const cleared = new AbortController()
  const isCleared = (): boolean => cleared.signal.aborted
  const clearing = session.run({ targets: [clear.name] }, limits).finally(() => cleared.abort())
  clearing.catch(() => undefined)
  const pause = (ms: number): Promise<void> => Promise.race([clearing, sleep(ms, cleared.signal).catch(() => undefined)]).then(() => undefined)
  for (let ms = PATIENCE_MS; !isCleared(); ms = NUDGE_MS) {
    await pause(ms)
    if (!isCleared()) await session.run({ targets: [nudge.name] }, limits)
  }
  await clearing
}
