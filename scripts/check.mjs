/**
 * npm run check [-- NAME…]: everything about the code that is not a test. Every check runs, whatever became of the others; each
 * reports one line, and what it found when it failed.
 */
import { availableParallelism } from 'node:os'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root, seconds, stop } from './support/console.mjs'
import { summary } from './support/summary.mjs'
import { packages } from './support/packages.mjs'
import { capture, tool } from './checks/capture.mjs'
import { checkDeclarations } from './checks/declarations.mjs'
import { checkInstallation } from './checks/installation.mjs'
import { packAll } from './checks/pack.mjs'
import { checkSizes } from './checks/sizes.mjs'
import { checkTypes } from './checks/types.mjs'

const folder = join(root, '.bootstrap', `check-${process.pid}`)

/** Runs one tool on each package, and gives what the failing runs said. */
const onEachTarball = async (args) => {
  const tarballs = await packed()
  const told = []
  for (const name of packages) told.push(await capture(process.execPath, [...args(tarballs[name])]))
  return told.filter((text) => text !== undefined).join('\n') || undefined
}

let packing
const packed = () => (packing ??= packAll(folder))

/** Each check gives undefined, or what it found. */
const checks = {
  types: () => checkTypes(join(folder, 'snippets')),
  lint: () => capture(process.execPath, [tool('eslint', 'bin/eslint.js'), '.', '--max-warnings=0']),
  'dead code': () => capture(process.execPath, [tool('knip', 'bin/knip.js'), '--no-progress', '--treat-config-hints-as-errors']),
  publint: () => onEachTarball((tarball) => [tool('publint', 'src/cli.js'), tarball, '--strict']),
  'types resolve': () => onEachTarball((tarball) => [tool('@arethetypeswrong/cli', 'dist/index.js'), tarball, '--profile', 'strict', '--no-color', '--no-emoji']),
  'declarations in TypeScript 5.0': () => checkDeclarations(join(folder, 'snippets-5.0')),
  installation: async () => checkInstallation(await packed()),
  size: () => checkSizes(),
}

const named = process.argv.slice(2)
const unknown = named.filter((name) => !(name in checks))
if (unknown.length > 0) stop(`There is no check ${unknown.join(', ')}.`, `The checks: ${Object.keys(checks).join(', ')}.`)

const counts = { passed: 0, failed: 0, skipped: 0 }
const waiting = Object.keys(checks).filter((name) => named.length === 0 || named.includes(name))

const worker = async () => {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const start = performance.now()
    const found = await Promise.resolve().then(checks[name]).catch((error) => error.stack ?? String(error))
    counts[found === undefined ? 'passed' : 'failed'] += 1
    console.log(`${name.padEnd(31)} ${found === undefined ? 'ok' : 'FAILED'} (${seconds(start)})`)
    if (found !== undefined) console.log(`${found.trimEnd()}\n`)
  }
}

mkdirSync(folder, { recursive: true })
try {
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(summary(counts))
process.exitCode = counts.failed === 0 ? 0 : 1
