/**
 * node scripts/hdfs-setup.mjs: a real HDFS for test/peers/storage-hdfs*.test.ts, in .peers/hdfs: Hadoop's mini-cluster and its KDC from Maven
 * Central, the program that starts them, and the npm package `kerberos` for the tests of Kerberos.
 *
 * Takes Maven and a JDK (11 and later), and for `kerberos` a C++ compiler and the headers of MIT Kerberos, which on Debian and Ubuntu
 * are fetched without installing them. Does nothing when all is there. `npm run peers:setup` runs this.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromRoot, root } from './support/console.mjs'

const folder = join(root, '.peers', 'hdfs')
const sources = join(root, 'test', 'support', 'hdfs')
const java = process.env.JAVA_HOME ? (name) => join(process.env.JAVA_HOME, 'bin', name) : (name) => name
const compiler = process.env.CXX || 'c++'

const stampOf = (...files) => {
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(file))
  return hash.digest('hex')
}

const isCurrent = (part, wanted) => existsSync(join(folder, part)) && readFileSync(join(folder, part), 'utf8') === wanted

class CannotBeMade extends Error {}

const quiet = (what, command, args, options = {}) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: folder, encoding: 'utf8', maxBuffer: 64 << 20, ...options })
  if (status === 0) return stdout
  throw new CannotBeMade(`${what} failed (${error?.message ?? `status ${status}`})\n${`${stdout ?? ''}\n${stderr ?? ''}`.trim().split('\n').slice(-8).join('\n')}`)
}

/** Makes a part unless it is there. Best effort: the tests say what they lack. */
const part = (name, wanted, tests, make) => {
  const stamp = `${name}.sha256`
  if (isCurrent(stamp, wanted)) return true
  rmSync(join(folder, stamp), { force: true })
  try {
    make()
    writeFileSync(join(folder, stamp), wanted)
    console.log(`peers: ${name} in ${fromRoot(folder)} is ready`)
    return true
  } catch (problem) {
    if (!(problem instanceof CannotBeMade)) throw problem
    console.log(`peers: no ${name}, so that ${tests} cannot run: ${problem.message}`)
    return false
  }
}

const fetchHadoop = () => {
  for (const [what, command, flag] of [['Maven', 'mvn', '-version'], ['a JDK', java('javac'), '-version']]) {
    if (spawnSync(command, [flag]).status !== 0) throw new CannotBeMade(`there is no ${what} here; on Debian and Ubuntu: apt install maven default-jdk-headless`)
  }
  console.log(`peers: fetching Hadoop into ${fromRoot(folder)} (about 110 MB)`)
  const jars = join(folder, 'jars')
  rmSync(jars, { recursive: true, force: true })
  quiet('mvn', 'mvn', ['--quiet', '--batch-mode', '--file', join(sources, 'pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`])
}

const compileCluster = () => {
  const classes = join(folder, 'classes')
  rmSync(classes, { recursive: true, force: true })
  mkdirSync(classes)
  quiet('javac', java('javac'), ['-nowarn', '-Xlint:-deprecation', '-d', classes, '-cp', join(folder, 'jars', '*'), join(sources, 'HdfsCluster.java')])
}

const manifest = { private: true, dependencies: { kerberos: '7.0.0', 'node-api-headers': '1.9.0' } }
/** The version of Node-API that the package is built for. */
const napi = 9

/** The folder of GSSAPI's headers: the system's, or one unpacked from Debian's package. */
const gssapiHeaders = () => {
  if (existsSync('/usr/include/gssapi/gssapi.h')) return '/usr/include'
  const debs = join(folder, 'debs')
  rmSync(debs, { recursive: true, force: true })
  mkdirSync(debs)
  const download = ['download', 'krb5-multidev', 'libkrb5-dev', 'comerr-dev']
  if (process.getuid?.() === 0 && spawnSync('apt-get', [...download, '--print-uris']).status !== 0) quiet('apt-get update', 'apt-get', ['update', '--quiet'])
  quiet('fetching the headers of Kerberos', 'apt-get', download, { cwd: debs })
  for (const deb of readdirSync(debs).filter((name) => name.endsWith('.deb'))) quiet('dpkg-deb', 'dpkg-deb', ['--extract', join(debs, deb), debs])
  return join(debs, 'usr', 'include')
}

const buildKerberos = () => {
  const place = join(folder, 'kerberos')
  rmSync(place, { recursive: true, force: true })
  mkdirSync(place)
  writeFileSync(join(place, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
  const npm = process.env.npm_execpath
  const [command, ...first] = npm === undefined ? ['npm'] : [process.execPath, npm]
  // Its own script fetches a binary from elsewhere, which not every network allows.
  quiet('npm install', command, [...first, 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', place])
  const modules = join(place, 'node_modules')
  const source = join(modules, 'kerberos', 'src')
  const output = join(modules, 'kerberos', 'build', 'Release')
  mkdirSync(output, { recursive: true })
  const headers = gssapiHeaders()
  quiet(compiler, compiler, [
    '-shared', '-fPIC', '-O1', '-std=c++17', '-fexceptions', '-DNODE_GYP_MODULE_NAME=kerberos', `-DNAPI_VERSION=${napi}`,
    // The library of the system is loaded when it is used.
    '-DKERBEROS_USE_RTLD=1',
    `-I${join(modules, 'node-api-headers', 'include')}`, `-I${join(modules, 'node-addon-api')}`, `-I${headers}`, `-I${join(headers, 'mit-krb5')}`,
    join(source, 'kerberos.cc'), ...readdirSync(join(source, 'unix')).filter((name) => name.endsWith('.cc')).map((name) => join(source, 'unix', name)),
    '-o', join(output, 'kerberos.node'), '-ldl',
  ])
  quiet('loading kerberos', process.execPath, ['-e', "require('kerberos').initializeClient('HTTP@localhost', {})"], { cwd: place })
}

mkdirSync(folder, { recursive: true })
const self = new URL(import.meta.url)
const hadoop = part('hadoop', stampOf(join(sources, 'pom.xml')), 'test/peers/storage-hdfs*.test.ts', fetchHadoop)
const cluster = hadoop && part('cluster', stampOf(join(sources, 'pom.xml'), join(sources, 'HdfsCluster.java')), 'test/peers/storage-hdfs*.test.ts', compileCluster)
const kerberos = part('kerberos', stampOf(self), 'test/peers/storage-hdfs-kerberos.test.ts', buildKerberos)
if (!(cluster && kerberos)) process.exit(1)
console.log(`peers: ${fromRoot(folder)} is up to date`)
