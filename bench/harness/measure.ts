/** What one run took, in seconds: on the clock, and of processors (all threads of the process, garbage collection included). */
export interface Cost {
  readonly wall: number
  readonly cpu: number
}

/** Something that does the work of a case once and says what it took. */
export interface Contender<C extends Cost = Cost> {
  readonly name: string
  readonly run: () => Promise<C>
}

/**
 * What an asynchronous function takes. Garbage is left to the engine: a collection that is asked for throws compiled code away,
 * and what was measured then was the compiler.
 */
export const timed = async (work: () => Promise<unknown>): Promise<Cost> => {
  const cpu = process.cpuUsage()
  const start = process.hrtime.bigint()
  await work()
  const wall = Number(process.hrtime.bigint() - start) / 1e9
  const { user, system } = process.cpuUsage(cpu)
  return { wall, cpu: (user + system) / 1e6 }
}

/** The middle value, of an even number the upper one of the two. */
export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/**
 * The costs of each contender, a turn each in turn, so that whatever else the machine does hits all of them alike and the costs
 * of one turn can be compared. The first turns warm up compilers and caches and do not count.
 */
export const measure = async <C extends Cost>(contenders: readonly Contender<C>[], { turns = 7, warmUps = 3 } = {}): Promise<ReadonlyMap<string, readonly C[]>> => {
  const costs = new Map(contenders.map(({ name }) => [name, [] as C[]]))
  for (let turn = -warmUps; turn < turns; turn++) {
    for (const { name, run } of contenders) {
      const cost = await run()
      if (turn >= 0) costs.get(name)!.push(cost)
    }
  }
  return costs
}
