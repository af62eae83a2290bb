import { run, type Job, type RunContext } from '../job/index.js'

/** Runs jobs one after another and remembers how long each took. */
export interface Timeline {
  /** Runs one stage. @throws what the job throws */
  stage<A>(name: string, work: Job<A>): Promise<A>
  /** Seconds of the stages so far, by name; a name that came again adds up. */
  seconds(): { readonly [name: string]: number }
}

/**
 * A timeline whose stages share one context.
 *
 * @example
 * const { stage, seconds } = timeline({ progress: terminalProgress() })
 * const inputs = await stage('fit', spec.fit(train))
 */
export const timeline = (context: RunContext = {}): Timeline => {
  const taken = new Map<string, number>()
  return {
    stage: async (name, work) => {
      const started = performance.now()
      try {
        return await run(work, context)
      } finally {
        taken.set(name, (taken.get(name) ?? 0) + (performance.now() - started) / 1000)
      }
    },
    seconds: () => Object.fromEntries([...taken].map(([name, seconds]) => [name, Math.round(seconds * 1000) / 1000])),
  }
}
