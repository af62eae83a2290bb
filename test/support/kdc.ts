import { existsSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startJava, type StopServer } from './java-server.js'

const place = fileURLToPath(new URL('../../.peers/hdfs', import.meta.url))

/** A KDC that a test started, Apache Kerby's, as Hadoop's own tests have it. */
export interface TestKdc {
  /** `krb5.conf`. */
  readonly configuration: string
  /** Keys of all its principals. */
  readonly keytab: string
  readonly realm: string
  readonly folder: string
  readonly stop: StopServer
}

/** Starts a KDC with principals: `hive/localhost`, `alice`. */
export const startKdc = async (principals: readonly string[]): Promise<TestKdc> => {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'millrace-kdc-'))
  const [properties, keytab, configuration] = ['kdc.properties', 'all.keytab', 'krb5.conf'].map((name) => join(folder, name)) as [string, string, string]
  writeFileSync(properties, '')
  const args = ['-Xmx128m', '--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED', '-cp', join(place, 'jars', '*'), 'org.apache.hadoop.minikdc.MiniKdc', folder, properties, keytab, ...principals]
  const stop = await startJava('the KDC', folder, args, (said) => said.includes('Standalone MiniKdc Running') && existsSync(keytab))
  return { configuration, keytab, realm: 'EXAMPLE.COM', folder, stop }
}
