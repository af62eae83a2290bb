import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describeUnless } from './peer.js'

/** Where scripts/spark-setup.mjs puts Spark. */
const place = fileURLToPath(new URL('../../.peers/spark', import.meta.url))
const python = join(place, 'venv', 'bin', 'python')
const program = fileURLToPath(new URL('hive-servers.py', import.meta.url))

/** Spark's Thrift servers that a test started: one Spark, reached in several ways. */
export interface HiveTestServers {
  readonly ports: { readonly sasl: number; readonly nosasl: number; readonly http: number; readonly tls?: number | undefined }
  /** The certificate of `tls`, in PEM. */
  readonly ca: string | undefined
  /** Runs a statement as Spark itself does; values as Python's texts. */
  readonly admin: (sql: string) => Promise<(string | null)[][]>
  /** Sessions that are open. */
  readonly sessions: () => Promise<number>
  /** Jobs that run. */
  readonly jobs: () => Promise<number>
  readonly stop: () => Promise<void>
}

/** A certificate for 127.0.0.1, where there is an openssl to make it. */
const makeCertificate = (folder: string): { readonly ca: string; readonly keystore: string } | undefined => {
  const [key, certificate, keystore] = ['key.pem', 'ca.pem', 'keys.p12'].map((name) => join(folder, name)) as [string, string, string]
  const commands = [
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate],
    ['pkcs12', '-export', '-inkey', key, '-in', certificate, '-out', keystore, '-passout', 'pass:millrace', '-name', 'server'],
  ]
  const made = commands.every((args) => spawnSync('openssl', args, { stdio: 'ignore' }).status === 0)
  return made ? { ca: readFileSync(certificate, 'utf8'), keystore } : undefined
}

/** Starts Spark and its Thrift servers on free ports of 127.0.0.1, its session zone far from UTC. */
export const startHiveServers = async (): Promise<HiveTestServers> => {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'millrace-hive-'))
  const certificate = makeCertificate(folder)
  const { PYTHONPATH: _path, PYTHONHOME: _home, SPARK_HOME: _spark, ...env } = process.env
  const child = spawn(python, [program, folder, certificate?.keystore ?? ''], { stdio: ['pipe', 'pipe', 'pipe'], cwd: folder, env, detached: true })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-6000)))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.once('error', (error) => (said += error.message))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const heard = async (): Promise<unknown> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`Spark ended: ${said}`)
    return JSON.parse(value)
  }
  const stop = async (): Promise<void> => {
    try {
      // Python and its Java are one group.
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      // It has ended already.
    }
    await ended
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  let last: Promise<unknown> = Promise.resolve()
  const ask = <T>(command: object): Promise<T> => {
    const told = last.catch(() => undefined).then(async () => {
      child.stdin.write(`${JSON.stringify(command)}\n`)
      const { answer, problem } = (await heard()) as { answer?: T; problem?: string }
      if (problem !== undefined) throw new Error(problem)
      return answer as T
    })
    last = told
    return told
  }
  try {
    const ports = (await heard()) as HiveTestServers['ports']
    return { ports, ca: certificate?.ca, admin: (sql) => ask({ sql }), sessions: () => ask({ sessions: true }), jobs: () => ask({ jobs: true }), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A `describe` that needs Spark's Thrift server, see {@link describeUnless}. */
export const describeHive = (name: string, body: () => void): void =>
  describeUnless(existsSync(join(place, 'requirements.sha256')) && existsSync(python) ? undefined : 'no Spark: run npm run peers:setup', name, body)
