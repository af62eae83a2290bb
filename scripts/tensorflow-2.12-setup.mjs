/**
 * node scripts/tensorflow-2.12-setup.mjs: makes .peers/tensorflow-2.12, a Python environment with TensorFlow 2.12, from
 * test/peers/requirements-2.12.txt, for the tests that drive Python's servers of an old version. Of its requirements it has those that
 * a server needs. Does nothing when it is there and the requirements have not changed. `npm run peers:setup` runs this.
 *
 * TensorFlow 2.12 runs on Python 3.11 and older, and so does this. Linux on x86-64 only.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromRoot, root } from './support/console.mjs'

const folder = join(root, '.peers', 'tensorflow-2.12')
const requirements = join(root, 'test', 'peers', 'requirements-2.12.txt')
const stamp = join(folder, 'millrace-requirements.sha256')
/** Has a pip, which fills other environments, too. */
const peers = process.env.MILLRACE_PEER_PYTHON || join(root, '.peers', 'venv', 'bin', 'python')
const python = join(folder, 'bin', 'python')
const version = '2.12.0'

/** Best effort: the tests say what they lack. */
const giveUp = (reason, details = '') => {
  rmSync(folder, { recursive: true, force: true })
  console.log(`peers: no Python's TensorFlow ${version}, so that the tests that drive its servers cannot run: ${reason}`)
  if (details !== '') console.log(details.trim().split('\n').slice(-12).join('\n'))
  process.exit(1)
}

const quiet = (what, command, args) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 << 20 })
  if (status !== 0) giveUp(`${what} failed (${error?.message ?? `status ${status}`})`, `${stdout ?? ''}\n${stderr ?? ''}`)
  return stdout.trim()
}

const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex')
if (existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === wanted && existsSync(python)) {
  console.log(`peers: ${fromRoot(folder)} is up to date`)
  process.exit(0)
}
rmSync(folder, { recursive: true, force: true })
if (process.platform !== 'linux' || process.arch !== 'x64') giveUp(`this is ${process.platform} on ${process.arch}`)
if (!existsSync(peers)) giveUp(`no Python at ${fromRoot(peers)}`)
const is = quiet('Python', peers, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'])
if (is !== '3.11') giveUp(`it takes Python 3.11, and the peers have ${is}. Name one in MILLRACE_PYTHON, and make them again`)

console.log(`peers: installing ${fromRoot(requirements)} in ${fromRoot(folder)} (1 GB on disk)`)
quiet('venv', peers, ['-m', 'venv', '--without-pip', folder])
quiet('pip', peers, [
  '-m', 'pip', '--python', python, 'install', '--quiet', '--disable-pip-version-check', '--no-input', '--no-deps', '--only-binary=:all:', '--requirement', requirements,
])
const says = quiet('importing it', python, ['-c', 'import tensorflow as tf; print(tf.__version__)'])
if (says !== version) giveUp(`what was installed says that it is ${says}`)
writeFileSync(stamp, `${wanted}\n`)
console.log(`peers: Python's TensorFlow ${version} is ready`)
