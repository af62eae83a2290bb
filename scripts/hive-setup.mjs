/**
 * node scripts/hive-setup.mjs: Apache Hive's HiveServer2 from Maven Central, in .peers/hive, and the program that starts it, for
 * test/peers/hive-{apache,kerberos}.test.ts.
 *
 * Takes Maven, and a JDK 17. Does nothing when it is there. `npm run peers:setup` runs this.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fromRoot, root } from './support/console.mjs'

const folder = join(root, '.peers', 'hive')
const sources = join(root, 'test', 'support', 'hive')
const [pom, program] = ['pom.xml', 'HiveServers.java'].map((name) => join(sources, name))
const [jars, classes] = ['jars', 'classes'].map((name) => join(folder, name))

/** Best effort: the tests say what they lack. */
const giveUp = (reason, details = '') => {
  console.log(`peers: no Apache Hive, so that test/peers/hive-*.test.ts cannot run: ${reason}`)
  if (details !== '') console.log(details.trim().split('\n').slice(-6).join('\n'))
  process.exit(1)
}

/** Makes a part of the folder unless it was made from the same file, and that of the part that it builds on. Whether it was made. */
const part = (source, made, make, isStale = false) => {
  const stamp = join(folder, `${basename(source)}.sha256`)
  const wanted = createHash('sha256').update(readFileSync(source)).digest('hex')
  if (!isStale && existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === wanted) return false
  rmSync(stamp, { force: true })
  rmSync(made, { recursive: true, force: true })
  mkdirSync(made, { recursive: true })
  make()
  writeFileSync(stamp, `${wanted}\n`)
  return true
}

const run = (command, args) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: folder, encoding: 'utf8', maxBuffer: 64 << 20 })
  if (status !== 0) giveUp(`${command} failed (${error?.message ?? `status ${status}`})`, `${stdout ?? ''}\n${stderr ?? ''}`)
}

const fetchHive = () => {
  if (process.platform === 'win32') giveUp('its set-up is written for Linux and macOS')
  if (spawnSync('mvn', ['--version']).status !== 0) giveUp('there is no mvn on the PATH; on Debian and Ubuntu: apt install maven')
  console.log(`peers: fetching Apache Hive into ${fromRoot(folder)} (about 300 MB)`)
  run('mvn', ['--quiet', '--batch-mode', '--file', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`])
}

const compile = () => run(process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'javac') : 'javac', ['-nowarn', '-proc:none', '-d', classes, '-cp', join(jars, '*'), program])

mkdirSync(folder, { recursive: true })
const fetched = part(pom, jars, fetchHive)
const compiled = part(program, classes, compile, fetched)
console.log(`peers: ${fetched || compiled ? `Apache Hive is ready in ${fromRoot(folder)}` : `${fromRoot(folder)} is up to date`}`)
