/**
 * npm run bootstrap: brings a fresh clone, or one that was just updated, to where everything runs: packages installed, messages
 * and kernels generated, packages built. Each step is skipped while what it reads has not changed. Uses Node's own modules only,
 * since it runs before anything is installed, and writes inside the repository only.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { must, root, stop } from './support/console.mjs'
import { lockRepository } from './support/lock.mjs'
import { buildPackage, packages } from './support/packages.mjs'
import { digestOf, filesUnder, isStamped, stampDone, unstamp } from './support/stamps.mjs'

const checkNode = () => {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  stop(`Millrace needs Node 20.19 or newer; this is ${process.version}.`, 'Install it from https://nodejs.org, or with nvm: nvm install 20')
}

const read = (file) => JSON.parse(readFileSync(file, 'utf8'))

/**
 * True when node_modules holds what package-lock.json asks for. npm writes its own record last, so that an interrupted
 * installation has none. Optional packages may be missing: those of other platforms always are.
 */
const agreesWithLock = () => {
  const record = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(record)) return false
  const installed = read(record).packages
  return Object.entries(read(join(root, 'package-lock.json')).packages).every(([path, wanted]) => {
    if (!path.includes('node_modules/')) return true
    const there = installed[path]
    if (there === undefined) return wanted.optional === true || wanted.devOptional === true || wanted.peer === true
    return there.version === wanted.version && there.link === wanted.link
  })
}

const install = () => {
  const digest = digestOf([join(root, 'package-lock.json')], process.platform, process.arch)
  const isThere = existsSync(join(root, 'node_modules', '.package-lock.json'))
  if (isThere && isStamped('install', digest)) return
  unstamp('install')
  if (!agreesWithLock()) {
    const npm = process.env.npm_execpath
    const command = npm === undefined ? ['npm'] : [process.execPath, npm]
    // Development packages are wanted even where NODE_ENV says production; npm's cache stays in the repository, as all that is written.
    const args = [...command.slice(1), 'ci', '--include=dev', '--no-audit', '--no-fund', '--cache', join(root, '.bootstrap', 'npm')]
    must('install npm ci', command[0], args, { shell: npm === undefined && process.platform === 'win32' })
  }
  stampDone('install', digest)
}

const generateMessages = () => {
  const script = join(root, 'scripts', 'build-protos.mjs')
  const folder = join(root, 'packages', 'export', 'src', 'proto')
  const digest = digestOf([script, ...filesUnder(folder, (file) => file.endsWith('.proto'))], digestOf([join(root, 'package-lock.json')]))
  if (isStamped('protos', digest) && filesUnder(join(folder, 'generated')).length > 0) return
  unstamp('protos')
  must('protos  packages/export/src/proto/generated', process.execPath, [script])
  stampDone('protos', digest)
}

const generateKernels = () => {
  const script = join(root, 'scripts', 'build-kernels.mjs')
  const formats = join(root, 'packages', 'formats')
  const digest = digestOf([script, ...filesUnder(join(formats, 'assembly'))], digestOf([join(root, 'package-lock.json')]))
  if (isStamped('kernels', digest) && filesUnder(join(formats, 'src', 'example', 'kernel', 'generated')).length > 0) return
  unstamp('kernels')
  must('kernels packages/formats/src/example/kernel/generated', process.execPath, [script])
  stampDone('kernels', digest)
}

checkNode()
lockRepository()
install()
generateMessages()
generateKernels()
if (!packages.every((name) => buildPackage(name))) process.exit(1)
