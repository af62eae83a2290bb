import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chownSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { findSqlPrograms, type SqlPrograms } from '../../scripts/support/sql-programs.mjs'
import { freePort } from './free-port.js'

/** A database server that a test started. */
export interface SqlTestServer {
  /** URL of its database, with user and password. */
  readonly url: string
  readonly user: string
  readonly password: string
  readonly port: number
  /** Authority of its certificate, in PEM, where it has one. */
  readonly ca: string | undefined
  /** Stops it at once, as a crash would, or hard when it does not obey. */
  readonly stop: () => Promise<void>
}

/** Neither server runs as root. */
const unprivileged = (): { readonly uid?: number; readonly gid?: number } => {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

const makeFolder = (name: string, { uid, gid }: ReturnType<typeof unprivileged>): string => {
  // Sockets have short names.
  const folder = mkdtempSync(join(realpathSync(tmpdir()), `mr-${name}-`))
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
  return folder
}

const environmentOf = ({ base }: SqlPrograms, home: string): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'], HOME: home, LC_ALL: 'C', TZ: 'UTC',
  ...(base === undefined ? {} : { LD_LIBRARY_PATH: `${join(base, 'usr', 'lib', 'x86_64-linux-gnu')}:${join(base, 'usr', 'lib', 'aarch64-linux-gnu')}` }),
})

const make = (command: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd: string, owner: object): void => {
  const { status, stderr, stdout, error } = spawnSync(command, args, { ...owner, cwd, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? `${stdout}\n${stderr}`}`)
}

/** Starts a server and waits until `answers`; a server that ends before, or does not answer in time, is an error with its words. */
const start = async (command: string, args: readonly string[], env: NodeJS.ProcessEnv, folder: string, owner: object, answers: () => Promise<boolean>): Promise<() => Promise<void>> => {
  const child: ChildProcess = spawn(command, args, { ...owner, cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const listen = (text: string): void => void (said = (said + text).slice(-4000))
  child.stdout!.setEncoding('utf8').on('data', listen)
  child.stderr!.setEncoding('utf8').on('data', listen)
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGQUIT')
    const hard = setTimeout(() => child.kill('SIGKILL'), 3_000)
    await exited
    clearTimeout(hard)
    rmSync(folder, { recursive: true, force: true })
  }
  for (let tries = 0; tries < 600; tries++) {
    if (child.exitCode !== null) break
    if (await answers()) return stop
    await pause(100)
  }
  await stop()
  throw new Error(`${command} did not start: ${said}`)
}

const user = 'millrace'
/** Characters that a URL must escape. */
const password = 'p@ss/wörd:1#'

/** Starts PostgreSQL on a free port of 127.0.0.1, its session zone far from UTC. */
export const startPostgres = async (): Promise<SqlTestServer> => {
  const programs = findSqlPrograms().postgres!
  const owner = unprivileged()
  const folder = makeFolder('pg', owner)
  const env = environmentOf(programs, folder)
  const file = join(folder, 'password')
  writeFileSync(file, password)
  if (owner.uid !== undefined) chownSync(file, owner.uid, owner.gid!)
  const data = join(folder, 'data')
  make(programs.programs[0], ['-D', data, '-U', user, '--auth=scram-sha-256', `--pwfile=${file}`, '--encoding=UTF8', '--no-locale', '--no-sync'], env, folder, owner)
  const port = await freePort()
  const ca = certificate(data, owner)
  const args = ['-D', data, '-p', `${port}`, '-k', folder, '-h', '127.0.0.1', '-c', 'fsync=off', '-c', 'timezone=Asia/Kolkata', '-c', 'datestyle=german', '-c', 'bytea_output=escape',
    '-c', 'extra_float_digits=-3', '-c', 'shared_buffers=32MB', '-c', 'autovacuum=off', ...(ca === undefined ? [] : ['-c', 'ssl=on'])]
  const { Client } = (await import('pg')).default
  const stop = await start(programs.programs[1], args, env, folder, owner, async () => {
    const client = new Client({ host: '127.0.0.1', port, user, password, database: 'postgres' })
    client.on('error', () => undefined)
    return client.connect().then(() => client.end()).then(() => true, () => false)
  })
  return { url: urlOf('postgres', port, 'postgres'), user, password, port, ca, stop }
}

/** A certificate for 127.0.0.1, where there is an openssl to make it. */
const certificate = (folder: string, owner: ReturnType<typeof unprivileged>): string | undefined => {
  const [key, cert] = [join(folder, 'server.key'), join(folder, 'server.crt')]
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert]
  const { status } = spawnSync('openssl', args, { ...owner, cwd: folder, stdio: 'ignore' })
  return status === 0 ? readFileSync(cert, 'utf8') : undefined
}

/** Starts MariaDB on a free port of 127.0.0.1, its session zone far from UTC. */
export const startMariadb = async (): Promise<SqlTestServer> => {
  const programs = findSqlPrograms().mariadb!
  const owner = unprivileged()
  const folder = makeFolder('my', owner)
  const env = environmentOf(programs, folder)
  const data = join(folder, 'data')
  const base = programs.base === undefined ? [] : [`--basedir=${join(programs.base, 'usr')}`]
  make(programs.programs[0], ['--no-defaults', ...base, `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db', `--tmpdir=${folder}`], env, folder, owner)
  const port = await freePort()
  const socket = join(folder, 'my.sock')
  const args = ['--no-defaults', ...base, `--datadir=${data}`, `--port=${port}`, `--socket=${socket}`, '--bind-address=127.0.0.1', `--pid-file=${join(folder, 'pid')}`,
    '--innodb-flush-log-at-trx-commit=0', '--innodb-buffer-pool-size=32M', '--default-time-zone=+05:30', '--skip-name-resolve', '--max-allowed-packet=4M', `--tmpdir=${folder}`]
  const { createConnection } = await import('mysql2/promise')
  const stop = await start(programs.programs[1], args, env, folder, owner, async () => {
    try {
      const connection = await createConnection({ socketPath: socket, user: 'root', timezone: 'Z' })
      await connection.query('CREATE DATABASE test CHARACTER SET utf8mb4')
      await connection.query(`CREATE USER ?@'127.0.0.1' IDENTIFIED BY ?`, [user, password])
      await connection.query(`GRANT ALL ON *.* TO ?@'127.0.0.1'`, [user])
      await connection.end()
      return true
    } catch {
      return false
    }
  })
  return { url: urlOf('mysql', port, 'test'), user, password, port, ca: undefined, stop }
}

const urlOf = (protocol: string, port: number, database: string): string => `${protocol}://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`
