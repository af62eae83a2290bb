import { existsSync, mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from './free-port.js'
import { startJava, type StopServer } from './java-server.js'
import { describeUnless } from './peer.js'

/** Where scripts/hive-setup.mjs puts Apache Hive. */
const place = fileURLToPath(new URL('../../.peers/hive', import.meta.url))

/** Hive 4.0 was written for Java 8. */
const opened = ['java.lang', 'java.lang.reflect', 'java.io', 'java.net', 'java.nio', 'java.util', 'java.util.concurrent', 'java.util.concurrent.atomic', 'java.util.regex', 'java.time', 'java.math']

/** A further way into a server: settings in which it differs from the first. */
type HiveWay = { readonly [name: string]: string }

/** Apache Hive's HiveServer2 that a test started. */
export interface HiveApache<W extends string = never> {
  readonly port: number
  /** The ports of its further ways. */
  readonly ways: { readonly [name in W]: number }
  readonly stop: StopServer
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })

const settings = (folder: string, port: number): { readonly [name: string]: string } => ({
  'javax.jdo.option.ConnectionURL': 'jdbc:derby:memory:metastore;create=true',
  'datanucleus.schema.autoCreateAll': 'true', 'hive.metastore.schema.verification': 'false', 'metastore.metastore.event.db.notification.api.auth': 'false',
  'hive.server2.thrift.port': `${port}`, 'hive.server2.thrift.bind.host': '127.0.0.1', 'hive.server2.enable.doAs': 'false', 'hive.server2.webui.port': '0',
  'hive.server2.materializedviews.registry.impl': 'DUMMY', 'hive.metastore.warehouse.dir': `${folder}/warehouse`, 'hive.exec.scratchdir': `${folder}/scratch`, 'hive.exec.local.scratchdir': `${folder}/local`,
  // Jobs run in the server itself.
  'hive.execution.engine': 'mr', 'mapreduce.framework.name': 'local', 'hadoop.tmp.dir': `${folder}/hadoop`,
  'hive.support.concurrency': 'false', 'hive.txn.manager': 'org.apache.hadoop.hive.ql.lockmgr.DummyTxnManager',
})

/** What a server is told beside its own settings. */
export interface HiveApacheOptions<W extends string = never> {
  readonly hive?: { readonly [name: string]: string } | undefined
  /** Hadoop's settings. */
  readonly core?: { readonly [name: string]: string } | undefined
  /** `krb5.conf`. */
  readonly kerberos?: string | undefined
  readonly ways?: { readonly [name in W]: HiveWay } | undefined
}

const siteFile = (properties: { readonly [name: string]: string }): string =>
  `<configuration>${Object.entries(properties).map(([name, value]) => `<property><name>${name}</name><value>${value}</value></property>`).join('\n')}</configuration>`

/** Each way with a port of its own. */
const withPorts = async <W extends string>(ways: { readonly [name in W]: HiveWay }): Promise<{ readonly ports: { readonly [name in W]: number }; readonly told: readonly string[] }> => {
  const ports: { [name: string]: number } = {}
  const told: string[] = []
  for (const [name, way] of Object.entries<HiveWay>(ways)) {
    const port = (ports[name] = await freePort())
    const all = { ...way, [way['hive.server2.transport.mode'] === 'http' ? 'hive.server2.thrift.http.port' : 'hive.server2.thrift.port']: `${port}` }
    told.push(Object.entries(all).map((entry) => entry.join('=')).join(','))
  }
  return { ports: ports as { readonly [name in W]: number }, told }
}

/** Starts Apache Hive on free ports of 127.0.0.1, its zone far from UTC. */
export const startHiveApache = async <W extends string = never>({ hive, core, kerberos, ways }: HiveApacheOptions<W> = {}): Promise<HiveApache<W>> => {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'millrace-hive-'))
  const port = await freePort()
  const { ports, told } = await withPorts(ways ?? ({} as { readonly [name in W]: HiveWay }))
  const configuration = join(folder, 'conf')
  mkdirSync(configuration)
  writeFileSync(join(configuration, 'hive-site.xml'), siteFile({ ...settings(folder, port), ...hive }))
  writeFileSync(join(configuration, 'core-site.xml'), siteFile({ ...(kerberos === undefined ? {} : { 'hadoop.security.authentication': 'kerberos' }), ...core }))
  const args = [
    ...opened.map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`), '-Xmx700m', `-Djava.io.tmpdir=${folder}`, '-Duser.timezone=Asia/Kolkata',
    ...(kerberos === undefined ? [] : [`-Djava.security.krb5.conf=${kerberos}`, '--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED']),
    '-cp', [configuration, join(place, 'classes'), join(place, 'jars', '*')].join(delimiter), 'HiveServers', ...told,
  ]
  const all = [port, ...Object.values<number>(ports)]
  // As whom it asks HDFS, where that takes every word for it.
  const stop = await startJava('Apache Hive', folder, args, async () => (await Promise.all(all.map(answers))).every(Boolean), { HADOOP_USER_NAME: 'hive' })
  return { port, ways: ports, stop }
}

/** A `describe` that needs Apache Hive, see {@link describeUnless}. */
export const describeHiveApache = (name: string, body: () => void): void =>
  describeUnless(existsSync(join(place, 'classes', 'HiveServers.class')) ? undefined : 'no Apache Hive: run npm run peers:setup', name, body)
