import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const require = createRequire(import.meta.url)
// tsup brings esbuild along.
const { buildSync } = createRequire(require.resolve('tsup'))('esbuild') as { readonly buildSync: (options: object) => unknown }

let entry: URL | undefined

/**
 * Stands for the module of that name of @millrace/formats, beside whose bundle the worker's file lies: here the sources that are tested are
 * bundled, once a process.
 */
export const workerEntry = (): URL => {
  if (entry !== undefined) return entry
  // In the repository, so that what stays outside of the bundle is found.
  const parent = join(root, '.bootstrap')
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'worker-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const outfile = join(folder, 'worker.mjs')
  const source = (name: string): string => join(root, 'packages', name, 'src', 'index.ts')
  buildSync({
    entryPoints: [join(root, 'packages', 'formats', 'src', 'worker.ts')], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'warning',
    alias: { '@millrace/core': source('core'), '@millrace/formats': source('formats') }, packages: 'external', treeShaking: true,
  })
  entry = pathToFileURL(outfile)
  return entry
}
