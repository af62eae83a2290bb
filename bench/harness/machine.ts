import { cpus, totalmem } from 'node:os'
import { setTimeout } from 'node:timers/promises'

/** The machine that the figures hold for, in one line. */
export const describeMachine = (): string => {
  const cores = cpus()
  const model = cores[0]?.model.trim() ?? 'unknown processor'
  return `${model}, ${cores.length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}, V8 ${process.versions.v8}, ${process.platform} ${process.arch}`
}

/** Milliseconds of all processors since the machine started: at work, and in all. */
const processorTimes = (): { readonly busy: number; readonly all: number } => {
  let [busy, all] = [0, 0]
  for (const { times } of cpus()) {
    const total = Object.values(times).reduce((sum, time) => sum + time, 0)
    all += total
    busy += total - times.idle
  }
  return { busy, all }
}

/** The share of the processors that other programs use: what is busy while the bench rests for `restMs` (default one second). */
export const busyShare = async (restMs = 1000): Promise<number> => {
  const before = processorTimes()
  await setTimeout(restMs)
  const after = processorTimes()
  return (after.busy - before.busy) / (after.all - before.all)
}
