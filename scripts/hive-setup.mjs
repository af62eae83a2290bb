/**
 * node scripts/hive-setup.mjs: Apache Hive's HiveServer2 from Maven Central, in .peers/hive, for test/peers/hive-apache.test.ts.
 *
 * Takes Maven, and Java 17 to run it. Does nothing when it is there. `npm run peers:setup` runs this.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromRoot, root } from './support/console.mjs'

const folder = join(root, '.peers', 'hive')
const pom = join(root, 'test', 'support', 'hive', 'pom.xml')
const stamp = join(folder, 'pom.sha256')

/** Best effort: the tests say what they lack. */
const giveUp = (reason, details = '') => {
  console.log(`peers: no Apache Hive, so that test/peers/hive-apache.test.ts cannot run: ${reason}`)
  if (details !== '') console.log(details.trim().split('\n').slice(-6).join('\n'))
  process.exit(1)
}

const wanted = createHash('sha256').update(readFileSync(pom)).digest('hex')
if (existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === wanted) {
  console.log(`peers: ${fromRoot(folder)} is up to date`)
  process.exit(0)
}
if (process.platform === 'win32') giveUp('its set-up is written for Linux and macOS')
if (spawnSync('mvn', ['--version']).status !== 0) giveUp('there is no mvn on the PATH; on Debian and Ubuntu: apt install maven')

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
console.log(`peers: fetching Apache Hive into ${fromRoot(folder)} (about 300 MB)`)
const args = ['--quiet', '--batch-mode', '--file', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${join(folder, 'jars')}`]
const { status, stdout, stderr, error } = spawnSync('mvn', args, { cwd: folder, encoding: 'utf8', maxBuffer: 64 << 20 })
if (status !== 0) giveUp(`mvn failed (${error?.message ?? `status ${status}`})`, `${stdout ?? ''}\n${stderr ?? ''}`)
writeFileSync(stamp, `${wanted}\n`)
console.log(`peers: Apache Hive is ready in ${fromRoot(folder)}`)
