/** Something that does the work of a case once and says how long it took, in seconds. */
export interface Contender {
  readonly name: string
  readonly run: () => Promise<number>
}

/** Seconds that an asynchronous function takes. */
export const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const start = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - start) / 1e9
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/**
 * Median seconds of each contender. They take turns, so that whatever else the machine does hits all of them alike; the first
 * turns warm up compilers and caches and do not count.
 */
export const measure = async (contenders: readonly Contender[], { turns = 5, warmUps = 2 } = {}): Promise<ReadonlyMap<string, number>> => {
  const times = new Map(contenders.map(({ name }) => [name, [] as number[]]))
  for (let turn = -warmUps; turn < turns; turn++) {
    for (const { name, run } of contenders) {
      ;(globalThis as { gc?: () => void }).gc?.()
      const seconds = await run()
      if (turn >= 0) times.get(name)!.push(seconds)
    }
  }
  return new Map([...times].map(([name, all]) => [name, median(all)]))
}
