import type { ChildProcess } from 'node:child_process'

/** Stops a server where it is: connections stay, nothing is answered. Returns what lets it go on. */
export const silence = (server: ChildProcess): (() => void) => {
  server.kill('SIGSTOP')
  return () => void server.kill('SIGCONT')
}
