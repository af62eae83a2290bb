import { median, type Cost } from './measure.js'
import type { BenchRow } from './rows.js'

/** What a turn of steps took. */
export interface StepCost extends Cost {
  readonly steps: number
  /** Milliseconds of a call, where calls were timed one by one. */
  readonly p50?: number
  readonly p99?: number
  /** Seconds of processors in the servers' processes. */
  readonly serverCpu?: number
  /** Steps that came between the start of a step and its own change of the variables, at most; their mean. */
  readonly staleness?: number
}

/** A point of a distribution, of sorted numbers. */
const percentile = (sorted: ArrayLike<number>, share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!

/** Runs calls, each of so many steps: one after another, or `inFlight` at a time. */
export const timedSteps = async (calls: number, stepsPerCall: number, call: (index: number) => Promise<unknown>, inFlight = 1): Promise<StepCost> => {
  const times = new Float64Array(calls)
  const cpu = process.cpuUsage()
  const start = performance.now()
  let next = 0
  const oneAfterAnother = async (): Promise<void> => {
    for (let before = performance.now(); next < calls;) {
      const index = next++
      await call(index)
      const now = performance.now()
      times[index] = now - before
      before = now
    }
  }
  await Promise.all(Array.from({ length: inFlight }, oneAfterAnother))
  const wall = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  times.sort()
  return { wall, cpu: (user + system) / 1e6, steps: calls * stepsPerCall, p50: percentile(times, 0.5), p99: percentile(times, 0.99) }
}

const rounded = (value: number): number => Number(value.toPrecision(4))

/** A figure of each turn, for ours and for the peer. */
type Figure = (cost: StepCost) => number

const row = (of: Pick<BenchRow, 'suite' | 'case' | 'peerName'>, metric: string, unit: string, ours: readonly StepCost[], peer: readonly StepCost[], figure: Figure, isMoreBetter: boolean, isPaired = true): BenchRow => {
  const better = (a: number, b: number): number => (isMoreBetter ? a / b : b / a)
  const paired = (by: Figure): number => median(ours.map((cost, turn) => better(by(cost), by(peer[turn]!))))
  const perCpu: Figure = ({ steps, cpu }) => (isMoreBetter ? steps / cpu : cpu / steps)
  return {
    suite: of.suite, case: of.case, metric, unit, ours: rounded(median(ours.map(figure))), peer: rounded(median(peer.map(figure))), peerName: of.peerName,
    ratio: rounded(isPaired ? paired(figure) : better(median(ours.map(figure)), median(peer.map(figure)))), cpuRatio: rounded(paired(perCpu)),
  }
}

/**
 * Rows of steps: how many a second; and where both sides say so, the middle and the slow calls, what a step costs the servers, and how
 * stale it was. The ratio of slow calls is that of their medians: what disturbs the machine for a moment is in a single turn of one
 * contender, which has no like in the other's.
 */
export const stepRows = (of: Pick<BenchRow, 'suite' | 'case' | 'peerName'>, ours: readonly StepCost[], peer: readonly StepCost[]): readonly BenchRow[] => {
  const known = (figure: (cost: StepCost) => number | undefined): boolean => [...ours, ...peer].every((cost) => figure(cost) !== undefined)
  return [
    row(of, 'steps', 'steps/s', ours, peer, ({ steps, wall }) => steps / wall, true),
    ...(known(({ p50 }) => p50) ? [row(of, 'call, p50', 'ms', ours, peer, ({ p50 }) => p50!, false), row(of, 'call, p99', 'ms', ours, peer, ({ p99 }) => p99!, false, false)] : []),
    ...(known(({ serverCpu }) => serverCpu) ? [row(of, 'CPU of the servers a step', 'ms', ours, peer, ({ serverCpu, steps }) => (serverCpu! / steps) * 1000, false)] : []),
    ...(known(({ staleness }) => staleness) ? [row(of, 'staleness, mean', 'steps', ours, peer, ({ staleness }) => staleness!, false)] : []),
  ]
}

/** Most that two contenders' losses may differ: the sums of float32 in another order. */
const TOLERANCE = 1e-4

/** @throws naming the first step on which two contenders disagree */
export const requireSameLosses = (name: string, ours: readonly number[], peerName: string, peer: readonly number[]): void => {
  if (ours.length !== peer.length) throw new Error(`${name}: we ran ${ours.length} steps, ${peerName} ${peer.length}`)
  ours.forEach((loss, step) => {
    const other = peer[step]!
    if (!(Math.abs(loss - other) <= TOLERANCE * Math.max(1, Math.abs(loss)))) throw new Error(`${name}: at step ${step} our loss is ${loss}, that of ${peerName} ${other}`)
  })
}
