import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { S3Client } from '../../packages/core/src/storage/s3/s3-client.js'
import { objectServers } from '../../scripts/support/object-programs.mjs'
import { freePort } from './free-port.js'
import { describeUnless } from './peer.js'
import { silence } from './silence.js'

/** An object store that a test started, with a bucket named `bucket`. */
export interface ObjectServer {
  /** `http://127.0.0.1:port`. */
  readonly endpoint: string
  /** Where the S3 server keeps its buckets, as folders. */
  readonly folder: string
  /** Has it say nothing any more, until what is given back is called. */
  readonly silence: () => Promise<() => void>
  readonly stop: () => Promise<void>
}

export const s3Keys = { accessKeyId: 'AKIAMILLRACE', secretAccessKey: 'a/secret+key=' } as const

const start = async (program: string, args: readonly string[], env: NodeJS.ProcessEnv, endpoint: string, folder: string): Promise<ObjectServer> => {
  const child = spawn(program, args, { env: { PATH: process.env['PATH'], HOME: folder, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => void (said = (said + text).slice(-4000)))
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
  for (let tries = 0; tries < 300 && child.exitCode === null; tries++) {
    if (await fetch(endpoint).then(() => true, () => false)) return { endpoint, folder, silence: () => silence(child), stop }
    await pause(50)
  }
  await stop()
  throw new Error(`${program} did not start: ${said}`)
}

/** Starts the S3 server, which keeps a folder `bucket` of its files. */
export const startS3 = async (): Promise<ObjectServer> => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-s3-'))
  mkdirSync(join(folder, 'bucket'))
  const port = await freePort()
  const env = { ROOT_ACCESS_KEY_ID: s3Keys.accessKeyId, ROOT_SECRET_ACCESS_KEY: s3Keys.secretAccessKey }
  return start(objectServers.s3.program, ['--port', `127.0.0.1:${port}`, '--quiet', '--keep-alive', 'posix', folder], env, `http://127.0.0.1:${port}`, folder)
}

/** How many uploads under a prefix are neither completed nor aborted, as the S3 server lists them. */
export const s3Uploads = (server: ObjectServer, prefix = ''): Promise<number> =>
  new S3Client({ endpoint: server.endpoint, credentials: s3Keys }).request(
    { method: 'GET', bucket: 'bucket', source: 'bucket', query: { uploads: '', prefix } },
    async ({ response }) => (await response.text()).split('<UploadId>').length - 1,
  )

/** Starts the emulator of Google Cloud Storage. */
export const startGcs = async (): Promise<ObjectServer> => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-gcs-'))
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const args = ['-backend', 'memory', '-scheme', 'http', '-host', '127.0.0.1', '-port', `${port}`, '-external-url', endpoint, '-public-host', `127.0.0.1:${port}`]
  const server = await start(objectServers.gcs.program, args, {}, endpoint, folder)
  const made = await fetch(`${endpoint}/storage/v1/b?project=test`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"bucket"}' })
  if (!made.ok) throw new Error(`no bucket: status ${made.status}`)
  return server
}

/** A `describe` that needs an object store, see {@link describeUnless}. */
export const describeObjectServer = (name: string, server: keyof typeof objectServers, body: () => void): void =>
  describeUnless(existsSync(objectServers[server].program) ? undefined : `no ${server} server: run npm run peers:setup`, name, body)
