import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** Addresses by job. */
export interface Cluster {
  readonly ps: readonly string[]
  readonly worker: readonly string[]
}

/** A TensorFlow server in a process of its own. */
export interface ServerProcess {
  /** Seconds of processors that it has used so far; 0 where the system does not tell. */
  cpu(): number
  stop(): void
}

/** Clock ticks a second of Linux on every machine that Node runs on. */
const TICKS = 100

/** Starts one task of a cluster by `millrace-server`, and returns before it answers. */
export const startServer = (cluster: Cluster, type: 'ps' | 'worker', index: number, library: string): ServerProcess => {
  const config = JSON.stringify({ cluster, task: { type, index } })
  const child = spawn(process.execPath, [resolve('packages/distributed/dist/millrace-server.js')], {
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3', TF_CONFIG: config, LIBTENSORFLOW: library },
    // The server ends when this process has ended.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  return {
    cpu: () => {
      try {
        const [user, system] = readFileSync(`/proc/${child.pid!}/stat`, 'utf8').split(') ')[1]!.split(' ').slice(11, 13)
        return (Number(user) + Number(system)) / TICKS
      } catch {
        return 0
      }
    },
    stop: () => void child.kill('SIGKILL'),
  }
}
