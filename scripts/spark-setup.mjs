/**
 * node scripts/spark-setup.mjs: makes .peers/spark/venv, the Python environment of Spark, Beam and TensorFlow Metadata, from
 * test/peers/spark-requirements.txt, and .peers/spark/jars, which has tensorflow-hadoop (Hadoop's formats of TFRecord files), for
 * test/peers/spark.test.ts and test/peers/metadata.test.ts.
 *
 * Does nothing when it is there and the requirements have not changed. Needs no root, and writes inside the repository only. Spark needs
 * Java 17 or 21, and the jar Maven, neither of which is installed here. `npm run peers:setup` runs this.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromRoot, root } from './support/console.mjs'

const folder = join(root, '.peers', 'spark')
const venv = join(folder, 'venv')
const python = join(venv, 'bin', 'python')
const requirements = join(root, 'test', 'peers', 'spark-requirements.txt')
const artifact = 'org.tensorflow:tensorflow-hadoop:1.15.0'
const jar = join(folder, 'jars', 'tensorflow-hadoop-1.15.0.jar')
const stamp = join(folder, 'requirements.sha256')

/** Best effort: the tests say what they lack. */
const giveUp = (reason, details = '') => {
  console.log(`peers: Spark is not there, so that some tests in test/peers cannot run: ${reason}`)
  if (details !== '') console.log(details.trim().split('\n').slice(-6).join('\n'))
  process.exit(1)
}

const { PYTHONPATH: _path, PYTHONHOME: _home, ...env } = process.env
const quiet = (command, args) => spawnSync(command, args, { cwd: root, encoding: 'utf8', env, maxBuffer: 64 << 20 })
const need = (what, command, args) => {
  const { status, stdout, stderr, error } = quiet(command, args)
  if (status !== 0) giveUp(`${what} failed (${error?.message ?? `status ${status}`})`, stderr || stdout || '')
}

const wanted = createHash('sha256').update(readFileSync(requirements)).update(artifact).digest('hex')
if (existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === wanted && existsSync(jar) && quiet(python, ['-c', 'import pyspark']).status === 0) {
  console.log(`peers: ${fromRoot(folder)} is up to date`)
  process.exit(0)
}
if (process.platform === 'win32') giveUp('its set-up is written for Linux and macOS')
if (quiet('java', ['-version']).status !== 0) giveUp('there is no java on the PATH; on Debian and Ubuntu: apt install openjdk-17-jre-headless')
if (quiet('mvn', ['--version']).status !== 0) giveUp('there is no mvn on the PATH; on Debian and Ubuntu: apt install maven')

rmSync(stamp, { force: true })
mkdirSync(folder, { recursive: true })
const candidates = process.env.MILLRACE_PYTHON ? [process.env.MILLRACE_PYTHON] : ['python3', 'python3.13', 'python3.12', 'python3.11']
const base = candidates.find((candidate) => quiet(candidate, ['-c', 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else 1)']).status === 0)
if (base === undefined) giveUp(`no Python 3.11 to 3.13 among ${candidates.join(', ')}`)
rmSync(venv, { recursive: true, force: true })
// Debian splits ensurepip off; the pip of the Python that makes the environment fills it.
need('making a virtual environment', base, ['-m', 'venv', '--without-pip', venv])
console.log(`peers: installing ${fromRoot(requirements)} in ${fromRoot(venv)} (about 1 GB on disk)`)
need('pip', base, ['-m', 'pip', '--python', python, 'install', '--disable-pip-version-check', '--no-input', '--quiet', '--requirement', requirements])
need('Maven', 'mvn', ['--batch-mode', '--quiet', 'dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${join(folder, 'jars')}`])
if (!existsSync(jar)) giveUp(`Maven left no ${fromRoot(jar)}`)
need('importing pyspark', python, ['-c', 'import pyspark'])
writeFileSync(stamp, `${wanted}\n`)
console.log(`peers: Spark is ready in ${fromRoot(folder)}`)
