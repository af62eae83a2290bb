import { fromUnknown } from '../errors/index.js'
import { Tally } from './tally.js'

/** How a reading ended: at the end of its stream, because its reader left, or by an error. */
export type ReadingEnd = 'reached' | 'left' | 'failed'

/** What several sources of a reading write to together. */
export interface SharedOutput {
  /** Makes what was written appear. @param hasSeenAll - whether the reading has come to its end */
  finish(hasSeenAll: boolean): Promise<void>
}

/** One reading of a stream with all the sources below it. These are handed its tally, by which they find what they share. */
export class Reading extends Tally {
  private readonly outputs = new Map<string, SharedOutput>()

  /** The output of a name, made by the source that asks for it first. */
  share<T extends SharedOutput>(name: string, make: () => T): T {
    const known = this.outputs.get(name)
    if (known !== undefined) return known as T
    const made = make()
    this.outputs.set(name, made)
    return made
  }

  /** Finishes the outputs. @throws what went wrong with one of them, unless the reading failed: that error says more */
  async end(how: ReadingEnd): Promise<void> {
    const finished = await Promise.allSettled([...this.outputs.values()].map((output) => output.finish(how === 'reached')))
    const wrong = finished.find((one) => one.status === 'rejected')
    if (wrong !== undefined && how !== 'failed') throw fromUnknown(wrong.reason)
  }
}
