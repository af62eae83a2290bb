import { cpus, totalmem } from 'node:os'

/** The machine that the figures hold for, in one line. */
export const describeMachine = (): string => {
  const cores = cpus()
  const model = cores[0]?.model.trim() ?? 'unknown processor'
  return `${model}, ${cores.length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}, V8 ${process.versions.v8}, ${process.platform} ${process.arch}`
}
