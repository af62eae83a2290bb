import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, step } from './console.mjs'
import { digestOf, filesUnder, isStamped, stampDone, unstamp } from './stamps.mjs'

/** The four packages, each after those that it needs: the declarations of one are built from the built ones of the others. */
export const packages = ['core', 'formats', 'export', 'distributed']

const folderOf = (name) => join(root, 'packages', name)

const outputs = ['index.js', 'index.cjs', 'index.d.ts', 'index.d.cts']

const dependencies = (name) => {
  const { dependencies = {} } = JSON.parse(readFileSync(join(folderOf(name), 'package.json'), 'utf8'))
  return Object.keys(dependencies).filter((key) => key.startsWith('@millrace/')).map((key) => key.slice('@millrace/'.length))
}

/** Digest of all that a build reads. Of the packages it needs only the declarations count: their code is not bundled. */
const inputsOf = (name) => {
  const isSource = (file) => !/\.test\.ts$/.test(file)
  return digestOf(
    [
      ...filesUnder(join(folderOf(name), 'src'), isSource),
      ...['package.json', 'tsup.config.ts', 'tsconfig.json'].map((file) => join(folderOf(name), file)),
      ...['package-lock.json', 'tsup.base.ts', 'tsconfig.base.json'].map((file) => join(root, file)),
      ...dependencies(name).map((needed) => join(folderOf(needed), 'dist', 'index.d.ts')).filter(existsSync),
    ],
    process.version,
  )
}

/** Builds one package with tsup, unless nothing that the build reads has changed since it last succeeded. */
export const buildPackage = (name, { force = false } = {}) => {
  const stamp = `build-${name}`
  const built = outputs.every((file) => existsSync(join(folderOf(name), 'dist', file)))
  const digest = inputsOf(name)
  if (!force && built && isStamped(stamp, digest)) return true
  unstamp(stamp)
  const tsup = join(root, 'node_modules', 'tsup', 'dist', 'cli-default.js')
  if (!step(`build   @millrace/${name}`, process.execPath, [tsup], { cwd: folderOf(name) })) return false
  stampDone(stamp, digest)
  return true
}
