/**
 * npm run bench -- SUITE [--json FILE] [--scale N] [--turns N] [--only TEXT] [--no-python]: bundles bench/run.ts, and the
 * contenders that it starts in processes of their own, with the packages' sources and runs it. Everything else (optional peers
 * included) stays outside the bundle, as it does for a user.
 */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from './support/console.mjs'
import { packages } from './support/packages.mjs'

const require = createRequire(import.meta.url)
// tsup brings esbuild along.
const { build } = createRequire(require.resolve('tsup'))('esbuild')

const folder = join(root, 'out', 'bench')
await build({
  entryPoints: ['run', 'contender', 'session-contender', 'tfjs-node-contender', 'in-process-contender', 'memory-contender'].map((name) => join(root, 'bench', `${name}.ts`)),
  outdir: folder,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: 'inline',
  logLevel: 'warning',
  plugins: [
    {
      name: 'packages-from-source',
      setup: ({ onResolve }) => {
        onResolve({ filter: /^@millrace\// }, ({ path }) => {
          const name = path.slice('@millrace/'.length)
          return packages.includes(name) ? { path: join(root, 'packages', name, 'src', 'index.ts') } : undefined
        })
        onResolve({ filter: /^[^./]/ }, ({ path, kind }) => (kind === 'entry-point' ? undefined : { path, external: true }))
      },
    },
  ],
})

const child = spawn(process.execPath, ['--enable-source-maps', join(folder, 'run.mjs'), ...process.argv.slice(2)], { stdio: 'inherit', cwd: root })
process.on('SIGINT', () => undefined)
child.once('exit', (code) => {
  process.exitCode = code ?? 1
})
