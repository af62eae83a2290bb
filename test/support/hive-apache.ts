import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from './free-port.js'
import { describeUnless } from './peer.js'

/** Where scripts/hive-setup.mjs puts Apache Hive. */
const place = fileURLToPath(new URL('../../.peers/hive', import.meta.url))
const java = process.env['JAVA_HOME'] === undefined ? 'java' : join(process.env['JAVA_HOME'], 'bin', 'java')

/** Hive 4.0 was written for Java 8. */
const opened = ['java.lang', 'java.lang.reflect', 'java.io', 'java.net', 'java.nio', 'java.util', 'java.util.concurrent', 'java.util.concurrent.atomic', 'java.util.regex', 'java.time', 'java.math']

/** Apache Hive's HiveServer2 that a test started. */
export interface HiveApache {
  readonly port: number
  readonly stop: () => Promise<void>
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })

const settings = (folder: string, port: number): { readonly [name: string]: string } => ({
  'javax.jdo.option.ConnectionURL': `jdbc:derby:;databaseName=${folder}/metastore;create=true`,
  'datanucleus.schema.autoCreateAll': 'true', 'hive.metastore.schema.verification': 'false', 'metastore.metastore.event.db.notification.api.auth': 'false',
  'hive.server2.thrift.port': `${port}`, 'hive.server2.thrift.bind.host': '127.0.0.1', 'hive.server2.enable.doAs': 'false', 'hive.server2.webui.port': '0',
  'hive.server2.materializedviews.registry.impl': 'DUMMY', 'hive.metastore.warehouse.dir': `${folder}/warehouse`, 'hive.exec.scratchdir': `${folder}/scratch`, 'hive.exec.local.scratchdir': `${folder}/local`,
  // Jobs run in the server itself.
  'hive.execution.engine': 'mr', 'mapreduce.framework.name': 'local', 'hadoop.tmp.dir': `${folder}/hadoop`,
  'hive.support.concurrency': 'false', 'hive.txn.manager': 'org.apache.hadoop.hive.ql.lockmgr.DummyTxnManager',
})

/** What a server that knows users by Kerberos is told beside its settings. */
export interface HiveKerberosSettings {
  readonly hive: { readonly [name: string]: string }
  /** `krb5.conf`. */
  readonly configuration: string
}

const siteFile = (properties: { readonly [name: string]: string }): string =>
  `<configuration>${Object.entries(properties).map(([name, value]) => `<property><name>${name}</name><value>${value}</value></property>`).join('\n')}</configuration>`

/** Starts Apache Hive on a free port of 127.0.0.1, its zone far from UTC. */
export const startHiveApache = async (kerberos?: HiveKerberosSettings): Promise<HiveApache> => {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'millrace-hive-'))
  const port = await freePort()
  const configuration = join(folder, 'conf')
  mkdirSync(configuration)
  writeFileSync(join(configuration, 'hive-site.xml'), siteFile({ ...settings(folder, port), ...kerberos?.hive }))
  if (kerberos !== undefined) writeFileSync(join(configuration, 'core-site.xml'), siteFile({ 'hadoop.security.authentication': 'kerberos' }))
  const args = [
    ...opened.map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`), '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx700m', `-Djava.io.tmpdir=${folder}`, '-Duser.timezone=Asia/Kolkata',
    ...(kerberos === undefined ? [] : [`-Djava.security.krb5.conf=${kerberos.configuration}`, '--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED']),
    '-cp', [configuration, join(place, 'jars', '*')].join(delimiter), 'org.apache.hive.service.server.HiveServer2',
  ]
  const child = spawn(java, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.once('error', (error) => (said += error.message))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  for (let tries = 0; tries < 1200 && child.exitCode === null && child.pid !== undefined; tries++) {
    if (await answers(port)) return { port, stop }
    await pause(200)
  }
  if (child.pid !== undefined) await stop()
  throw new Error(`Apache Hive did not start: ${said}`)
}

/** A `describe` that needs Apache Hive, see {@link describeUnless}. */
export const describeHiveApache = (name: string, body: () => void): void =>
  describeUnless(existsSync(join(place, 'pom.sha256')) ? undefined : 'no Apache Hive: run npm run peers:setup', name, body)
