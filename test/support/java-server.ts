import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const java = process.env['JAVA_HOME'] === undefined ? 'java' : join(process.env['JAVA_HOME'], 'bin', 'java')

/** Java starts sooner so, and takes less from the tests beside it. */
const quick = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']

/** Four minutes: machines that run other tests are slow. */
const TRIES = 1200
const BETWEEN_MS = 200

/** Ends a server, and removes its folder. */
export type StopServer = () => Promise<void>

/**
 * Starts a server in Java in a folder of its own, which goes with it, and waits until it is ready.
 *
 * @param name - in the error of one that does not start, before its last words
 * @param isReady - asked again and again, with what it has said so far
 * @param environment - beside that of the tests
 */
export const startJava = async (
  name: string, folder: string, args: readonly string[], isReady: (said: string) => boolean | Promise<boolean>, environment: { readonly [name: string]: string } = {},
): Promise<StopServer> => {
  const child = spawn(java, [...quick, ...args], { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder, env: { ...process.env, ...environment } })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-8000)))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.once('error', (error) => (said += error.message))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  for (let tries = 0; tries < TRIES && child.exitCode === null && child.pid !== undefined; tries++) {
    if (await isReady(said)) return stop
    await pause(BETWEEN_MS)
  }
  if (child.pid !== undefined) await stop()
  throw new Error(`${name} did not start: ${said}`)
}
