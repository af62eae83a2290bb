import { hasTag } from '../../errors/index.js'
import type { OpenContext } from '../stream.js'

/** Work whose result all who ask share. When it fails, or whoever started it aborts, the next one starts it again. */
export const sharedWork = <A>(work: (context: OpenContext) => Promise<A>): ((context: OpenContext) => Promise<A>) => {
  let running: Promise<A> | undefined
  return async (context) => {
    for (;;) {
      const mine = running === undefined
      const promise = (running ??= work(context))
      try {
        return await promise
      } catch (error) {
        if (running === promise) running = undefined
        if (mine || !hasTag(error, 'Aborted') || context.signal?.aborted === true) throw error
      }
    }
  }
}
