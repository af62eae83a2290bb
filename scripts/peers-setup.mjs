/**
 * npm run peers:setup: makes .peers/venv, the Python environment of the peer tests, from test/peers/requirements.txt, and then
 * .peers/tfjs-node (scripts/tfjs-node-setup.mjs), .peers/tensorflow-2.9 (scripts/tensorflow-2.9-setup.mjs), .peers/tensorflow-2.12
 * (scripts/tensorflow-2.12-setup.mjs) and, where PostgreSQL and MariaDB are not installed, .peers/sql (scripts/sql-servers-setup.mjs), and .peers/hdfs
 * (scripts/hdfs-setup.mjs), if it can.
 * Does nothing when it is there and the requirements have not changed. Needs no root, and writes inside the repository only.
 * MILLRACE_PYTHON names the Python to build it with (3.11 to 3.13).
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { root, stop } from './support/console.mjs'

const folder = join(root, '.peers', 'venv')
const requirements = join(root, 'test', 'peers', 'requirements.txt')
const stamp = join(folder, 'millrace-requirements.sha256')
const python = process.platform === 'win32' ? join(folder, 'Scripts', 'python.exe') : join(folder, 'bin', 'python')

/** What TensorFlow 2.21 and NumPy 2.4 have wheels for. */
const oldest = 11
const newest = 13

const quiet = (command, args) => spawnSync(command, args, { cwd: root, encoding: 'utf8', env: withoutPythonPath() })

/** PYTHONPATH and PYTHONHOME of the caller would show through into the environment. */
const withoutPythonPath = () => {
  const { PYTHONPATH: _path, PYTHONHOME: _home, ...rest } = process.env
  return rest
}

const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex')

const isCurrent = () => existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === wanted && runs(python)

const runs = (candidate) => {
  const { status, stdout } = quiet(candidate, ['-c', 'import sys; print(sys.version_info[0], sys.version_info[1])'])
  if (status !== 0) return false
  const [major, minor] = stdout.trim().split(' ').map(Number)
  return major === 3 && minor >= oldest && minor <= newest
}

const findPython = () => {
  const chosen = process.env.MILLRACE_PYTHON
  const candidates = chosen ? [chosen] : ['python3', 'python3.13', 'python3.12', 'python3.11', 'python']
  const usable = candidates.filter(runs)
  if (usable.length === 0) {
    stop(`No Python 3.${oldest} to 3.${newest} among ${candidates.join(', ')}.`, 'Install one, or name it in MILLRACE_PYTHON.')
  }
  return usable
}

/** Debian splits venv and ensurepip off Python; its pip, where that is there, can still fill an environment made without them. */
const makeEnvironment = (candidates) => {
  const told = []
  for (const candidate of candidates) {
    rmSync(folder, { recursive: true, force: true })
    const whole = quiet(candidate, ['-m', 'venv', folder])
    if (whole.status === 0) return
    rmSync(folder, { recursive: true, force: true })
    const bare = quiet(candidate, ['-m', 'venv', '--without-pip', folder])
    if (bare.status === 0) {
      const pip = quiet(candidate, ['-m', 'pip', '--python', python, 'install', 'pip'])
      if (pip.status === 0) return
    }
    told.push(`${candidate}: ${(whole.stderr || whole.stdout || String(whole.error)).trim()}`)
  }
  rmSync(folder, { recursive: true, force: true })
  stop(
    `No Python here can make a virtual environment.\n${told.join('\n')}`,
    'On Debian and Ubuntu: apt install python3-venv. Elsewhere, name a complete Python in MILLRACE_PYTHON.',
  )
}

if (isCurrent()) {
  console.log(`peers: ${relative(root, folder)} is up to date`)
} else {
  rmSync(stamp, { force: true })
  mkdirSync(join(root, '.peers'), { recursive: true })
  if (!(runs(python) && quiet(python, ['-m', 'pip', '--version']).status === 0)) makeEnvironment(findPython())
  console.log(`peers: installing ${relative(root, requirements)} in ${relative(root, folder)} (about 1.5 GB on disk)`)
  const install = spawnSync(
    python,
    ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--quiet', '--requirement', requirements],
    { cwd: root, stdio: 'inherit', env: withoutPythonPath() },
  )
  if (install.status !== 0) stop('pip could not install the peers.', 'Its own words are above; run npm run peers:setup again.')
  const check = quiet(python, ['-c', 'import tensorflow as tf; print(tf.__version__)'])
  if (check.status !== 0) stop(`TensorFlow was installed but does not import.\n${check.stderr}`, 'Its wheels need x86-64 with AVX or ARM64, and glibc.')
  writeFileSync(stamp, `${wanted}\n`)
  console.log(`peers: TensorFlow ${check.stdout.trim()} is ready`)
}

// They say themselves when they could not; the tests that need them are skipped then, or fail where peers are required.
for (const script of ['tfjs-node-setup.mjs', 'tensorflow-2.9-setup.mjs', 'tensorflow-2.12-setup.mjs', 'sql-servers-setup.mjs', 'object-servers-setup.mjs', 'spark-setup.mjs', 'hdfs-setup.mjs', 'hive-setup.mjs']) {
  spawnSync(process.execPath, [join(root, 'scripts', script)], { cwd: root, stdio: 'inherit', env: withoutPythonPath() })
}
