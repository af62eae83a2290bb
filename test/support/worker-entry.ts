import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const require = createRequire(import.meta.url)
// tsup brings esbuild along.
const { buildSync } = createRequire(require.resolve('tsup'))('esbuild') as { readonly buildSync: (options: object) => unknown }

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

let entry: URL | undefined

/**
 * Stands for the module of that name of @millrace/formats, beside whose bundle the worker's file lies: here the sources that are tested are
 * bundled, once a process.
 */
export const workerEntry = (): URL => {
  if (entry !== undefined) return entry
  // In the repository, so that what stays outside of the bundle is found.
  const parent = join(root, '.bootstrap')
  const folder = join(parent, `worker-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  // A process that is killed leaves its own.
  for (const name of readdirSync(parent)) if (/^worker-\d+$/.test(name) && !isRunning(Number(name.slice(7)))) rmSync(join(parent, name), { recursive: true, force: true })
  const outfile = join(folder, 'worker.mjs')
  const source = (name: string): string => join(root, 'packages', name, 'src', 'index.ts')
  buildSync({
    entryPoints: [join(root, 'packages', 'formats', 'src', 'worker.ts')], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'warning',
    alias: { '@millrace/core': source('core'), '@millrace/formats': source('formats') }, packages: 'external', treeShaking: true,
  })
  entry = pathToFileURL(outfile)
  return entry
}
