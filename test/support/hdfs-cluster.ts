import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describeUnless } from './peer.js'
import { silence } from './silence.js'

/** Where scripts/hdfs-setup.mjs puts it. */
const place = fileURLToPath(new URL('../../.peers/hdfs', import.meta.url))

/** A real HDFS that a test started. */
export interface HdfsTestCluster {
  /** The web ports of its name nodes. */
  readonly ports: readonly number[]
  /** A folder of its own, which goes with it. */
  readonly folder: string
  /** Has it do something (test/support/hdfs/HdfsCluster.java says what). Gives its answer. */
  readonly tell: (...words: readonly (string | number)[]) => Promise<string>
  /** Has all its nodes say nothing any more, until what is given back is called. */
  readonly silence: () => Promise<() => void>
  readonly stop: () => Promise<void>
}

const java = process.env['JAVA_HOME'] === undefined ? 'java' : join(process.env['JAVA_HOME'], 'bin', 'java')
const javaOptions = [
  // It starts sooner so, and takes less from the tests beside it.
  '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx512m',
  '--add-opens=java.base/java.lang=ALL-UNNAMED', '--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED',
]

/** Starts HDFS: two name nodes and two data nodes (`ha`), or one of each that ask for Kerberos. */
export const startHdfs = async (kind: 'ha' | 'kerberos'): Promise<HdfsTestCluster> => {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'millrace-hdfs-'))
  const classes = [join(place, 'classes'), join(place, 'jars', '*')].join(delimiter)
  const child: ChildProcess = spawn(java, [...javaOptions, '-cp', classes, 'HdfsCluster', folder, kind], { stdio: ['pipe', 'pipe', 'pipe'], cwd: folder })
  let said = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.once('error', (error) => (said += error.message))
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const answer = async (): Promise<string> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`HDFS ended: ${said}`)
    const [, word, rest] = /^(\w+) ?(.*)$/.exec(value) ?? []
    if (word !== 'failed') return rest!
    throw new Error(`HDFS says: ${rest}`)
  }
  let last: Promise<unknown> = Promise.resolve()
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const ports = (await answer()).split(' ').map(Number)
    return {
      ports,
      folder,
      tell: (...words) => {
        const told = last.catch(() => undefined).then(() => {
          child.stdin!.write(`${words.join(' ')}\n`)
          return answer()
        })
        last = told
        return told
      },
      silence: () => silence(child),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The folder of the npm package `kerberos`. */
export const kerberosPackage = join(place, 'kerberos', 'node_modules', 'kerberos')

const lacking = (kind: 'ha' | 'kerberos'): string | undefined =>
  ['cluster', ...(kind === 'kerberos' ? ['kerberos'] : [])].every((part) => existsSync(join(place, `${part}.sha256`))) ? undefined : 'no HDFS: run npm run peers:setup'

/** A `describe` that needs a real HDFS, see {@link describeUnless}. */
export const describeHdfs = (name: string, kind: 'ha' | 'kerberos', body: () => void): void => describeUnless(lacking(kind), name, body)
