import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from '../support/console.mjs'
import { packages } from '../support/packages.mjs'
import { capture } from './capture.mjs'

const lock = () => JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages

/** Names of all packages that ours need at run time, without the optional peers: what an installation must have, and no more. */
const neededNames = (entries) => {
  const needed = new Set()
  const add = (entry) => {
    for (const name of Object.keys({ ...entry?.dependencies, ...entry?.optionalDependencies })) {
      if (name.startsWith('@millrace/') || needed.has(name)) continue
      needed.add(name)
      add(entries[`node_modules/${name}`])
    }
  }
  for (const name of packages) add(entries[`packages/${name}`])
  return [...needed].filter((name) => `node_modules/${name}` in entries)
}

/** Compares what both builds of every package export, and catches an error of one by the guard of the other. */
const program = `
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
const require = createRequire(import.meta.url)
for (const name of ${JSON.stringify(packages)}) {
  const esm = await import('@millrace/' + name)
  const cjs = require('@millrace/' + name)
  const names = (module) => Object.keys(module).filter((key) => key !== 'default' && key !== 'module.exports').sort()
  assert.deepEqual(names(esm), names(cjs), name)
}
const esm = await import('@millrace/core')
const cjs = require('@millrace/core')
const thrown = cjs.failure({ tag: 'Usage', code: 'X', problem: 'a test' })
assert.notEqual(esm.MillraceError, cjs.MillraceError)
assert.ok(esm.isMillraceError(thrown) && esm.hasTag(thrown, 'Usage'))
`

/**
 * Installs the tarballs, with the packages that they declare and nothing else, in a temporary folder, from which the
 * repository's own node_modules is not seen, and loads them by `import` and by `require`: an undeclared dependency, or a peer
 * that is not optional after all, fails here and nowhere else.
 */
export const checkInstallation = async (tarballs) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-installation-'))
  try {
    return await loadFrom(folder, tarballs)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const loadFrom = async (folder, tarballs) => {
  const modules = join(folder, 'node_modules')
  for (const name of packages) {
    const target = join(modules, '@millrace', name)
    mkdirSync(target, { recursive: true })
    const found = await capture('tar', ['xzf', tarballs[name], '-C', target, '--strip-components=1'])
    if (found !== undefined) return found
  }
  for (const name of neededNames(lock())) {
    const link = join(modules, name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), link, 'junction')
  }
  writeFileSync(join(folder, 'program.mjs'), program)
  // Symbolic links are kept as they are, so that a dependency too sees only this installation.
  return capture(process.execPath, ['--preserve-symlinks', '--preserve-symlinks-main', 'program.mjs'], { cwd: folder })
}
