import { readdirSync, readFileSync } from 'node:fs'
import type { Task } from '@millrace/distributed'

/** The process that runs a server of `startLocalCluster`: a child of this one that has the task in its environment. */
export const serverProcess = (task: Task, address: string): number => {
  for (const name of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    try {
      if (!/\nPPid:\t(\d+)\n/.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.includes(String(process.pid))) continue
      const config = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').find((one) => one.startsWith('TF_CONFIG='))?.slice(10)
      if (config?.includes(address) !== true) continue
      const { task: own } = JSON.parse(config) as { task: Task }
      if (own.type === task.type && own.index === task.index) return Number(name)
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error(`no process runs ${task.type} ${task.index}`)
}
