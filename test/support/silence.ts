import type { ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/** Whether all threads of a process stand still. Linux tells. */
const isStopped = (pid: number): boolean => readdirSync(`/proc/${pid}/task`).every((thread) => / T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')))

/** Stops a server where it is: connections stay, nothing is answered. Returns what lets it go on. */
export const silence = async (server: ChildProcess): Promise<() => void> => {
  server.kill('SIGSTOP')
  while (!isStopped(server.pid!)) await pause(1)
  return () => void server.kill('SIGCONT')
}
