import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const place = fileURLToPath(new URL('../../.peers/hdfs', import.meta.url))
const java = process.env['JAVA_HOME'] === undefined ? 'java' : join(process.env['JAVA_HOME'], 'bin', 'java')

/** A KDC that a test started, Apache Kerby's, as Hadoop's own tests have it. */
export interface TestKdc {
  /** `krb5.conf`. */
  readonly configuration: string
  /** Keys of all its principals. */
  readonly keytab: string
  readonly realm: string
  readonly folder: string
  readonly stop: () => Promise<void>
}

/** Starts a KDC with principals: `hive/localhost`, `alice`. */
export const startKdc = async (principals: readonly string[]): Promise<TestKdc> => {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'millrace-kdc-'))
  const [properties, keytab, configuration] = ['kdc.properties', 'all.keytab', 'krb5.conf'].map((name) => join(folder, name)) as [string, string, string]
  writeFileSync(properties, '')
  const args = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx128m', '--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED', '-cp', join(place, 'jars', '*')]
  const child = spawn(java, [...args, 'org.apache.hadoop.minikdc.MiniKdc', folder, properties, keytab, ...principals], { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-8000)))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.once('error', (error) => (said += error.message))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  for (let tries = 0; tries < 300 && child.exitCode === null && child.pid !== undefined; tries++) {
    if (said.includes('Standalone MiniKdc Running') && existsSync(keytab)) return { configuration, keytab, realm: 'EXAMPLE.COM', folder, stop }
    await pause(200)
  }
  if (child.pid !== undefined) await stop()
  throw new Error(`the KDC did not start: ${said}`)
}
