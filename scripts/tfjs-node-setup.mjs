/**
 * node scripts/tfjs-node-setup.mjs: makes .peers/tfjs-node, a folder with @tensorflow/tfjs-node, for the tests in test/native.
 *
 * The package downloads libtensorflow when it is installed, which not every network allows. Here its addon, two C++ files, is
 * compiled against the library and the headers in the Python wheel of TensorFlow that the peers have anyway. That takes some 20
 * seconds, npm and a C++ compiler (CXX, else c++). Does nothing when it is there. `npm run peers:setup` runs this.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromRoot, root } from './support/console.mjs'

const folder = join(root, '.peers', 'tfjs-node')
const stamp = join(folder, 'millrace-setup.sha256')
const python = process.env.MILLRACE_PEER_PYTHON || join(root, '.peers', 'venv', 'bin', 'python')
const compiler = process.env.CXX || 'c++'

const manifest = {
  private: true,
  dependencies: {
    '@tensorflow/tfjs-node': '4.22.0',
    // The headers of Node-API, the only ones of Node that the addon includes.
    'node-api-headers': '1.9.0',
  },
}
/** The version of Node-API that tfjs-node looks for its addon under. */
const napi = 8

/** Best effort: the tests say what they lack. */
const giveUp = (reason, details = '') => {
  rmSync(stamp, { force: true })
  console.log(`peers: no @tensorflow/tfjs-node, so that the tests in test/native cannot run: ${reason}`)
  if (details !== '') console.log(details.trim().split('\n').slice(-12).join('\n'))
  process.exit(1)
}

const quiet = (what, command, args, options = {}) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: folder, encoding: 'utf8', maxBuffer: 64 << 20, ...options })
  if (status !== 0) giveUp(`${what} failed (${error?.message ?? `status ${status}`})`, `${stdout ?? ''}\n${stderr ?? ''}`)
  return stdout.trim()
}

if (process.platform !== 'linux') giveUp('its set-up is written for Linux')
if (!existsSync(python)) giveUp(`no Python at ${fromRoot(python)} to take TensorFlow from`)

mkdirSync(folder, { recursive: true })
const where = 'import importlib.util; print(importlib.util.find_spec("tensorflow").submodule_search_locations[0])'
const tensorflow = quiet('looking for TensorFlow in the peer Python', python, ['-c', where])
const libraries = readdirSync(tensorflow).filter((name) => /^libtensorflow_(cc|framework)\.so\.\d+$/.test(name))
if (libraries.length !== 2) giveUp(`the TensorFlow of the peer Python has no libtensorflow_cc and libtensorflow_framework in ${fromRoot(tensorflow)}`)

// Size and time stand for the libraries: reading 850 MB to hash them would take longer than compiling.
const built = libraries.map((name) => statSync(join(tensorflow, name))).map(({ size, mtimeMs }) => [size, mtimeMs])
const wanted = createHash('sha256').update(JSON.stringify([readFileSync(new URL(import.meta.url), 'utf8'), tensorflow, built])).digest('hex')
const computes = "const tf = require('@tensorflow/tfjs-node'); console.log(tf.backend().binding.TF_Version, tf.add(1, 1).dataSync()[0])"
const tries = () => spawnSync(process.execPath, ['-e', computes], { cwd: folder, encoding: 'utf8', env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' } })

if (existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === wanted && tries().status === 0) {
  console.log(`peers: ${fromRoot(folder)} is up to date`)
  process.exit(0)
}
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
if (spawnSync(compiler, ['--version']).status !== 0) giveUp(`no C++ compiler: ${compiler} does not run. Install one, or name it in CXX`)

console.log(`peers: building @tensorflow/tfjs-node in ${fromRoot(folder)}`)
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
const npm = process.env.npm_execpath
const [command, ...first] = npm === undefined ? ['npm'] : [process.execPath, npm]
quiet('npm install', command, [...first, 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder])

const addon = join(folder, 'node_modules', '@tensorflow', 'tfjs-node')
const output = join(addon, 'lib', `napi-v${napi}`)
mkdirSync(output, { recursive: true })
quiet(compiler, compiler, [
  '-shared', '-fPIC', '-O2', '-std=c++17', `-DNAPI_VERSION=${napi}`,
  `-I${join(tensorflow, 'include')}`, `-I${join(folder, 'node_modules', 'node-api-headers', 'include')}`,
  join(addon, 'binding', 'tfjs_backend.cc'), join(addon, 'binding', 'tfjs_binding.cc'),
  '-o', join(output, 'tfjs_binding.node'),
  ...libraries.map((name) => join(tensorflow, name)), `-Wl,-rpath,${tensorflow}`,
])
const check = tries()
if (!/ 2$/.test(check.stdout.trim())) giveUp('what was built does not compute', check.stderr)
writeFileSync(stamp, `${wanted}\n`)
console.log(`peers: @tensorflow/tfjs-node on TensorFlow ${check.stdout.trim().split(' ')[0]} is ready`)
