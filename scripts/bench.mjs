/**
 * npm run bench -- SUITE [--json FILE] [--scale N] [--turns N] [--only TEXT] [--no-python]: bundles bench/run.ts, and the
 * contenders that it starts in processes of their own, with the packages' sources and runs it. Everything else (optional peers
 * included) stays outside the bundle, as it does for a user.
 */
import { spawn } from 'node:child_process'
import { copyFileSync, readdirSync, renameSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './support/console.mjs'
import { bundlePrograms } from './support/bundle.mjs'

const folder = join(root, 'out', 'bench')
const made = join(folder, `made-${process.pid}`)
await bundlePrograms(['run', 'contender', 'session-contender', 'tfjs-node-contender', 'in-process-contender', 'memory-contender', 'reading-thread'].map((name) => join(root, 'bench', `${name}.ts`)), made)

// What worker threads of readers run is looked for beside the bundle, under its own name.
for (const name of ['worker', 'inflate']) {
  await bundlePrograms([join(root, 'packages', 'formats', 'src', `${name}.ts`)], made)
  copyFileSync(join(made, `${name}.mjs`), join(made, `${name}.js`))
}

// Another bench may be at work: it finds each program whole.
for (const name of readdirSync(made)) renameSync(join(made, name), join(folder, name))
rmdirSync(made)

const child = spawn(process.execPath, ['--enable-source-maps', join(folder, 'run.mjs'), ...process.argv.slice(2)], { stdio: 'inherit', cwd: root })
process.on('SIGINT', () => undefined)
child.once('exit', (code) => {
  process.exitCode = code ?? 1
})
