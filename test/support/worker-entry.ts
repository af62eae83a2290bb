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

const entries = new Map<string, URL>()

/** The sources of a thread's program, bundled, once a process. */
const bundled = (program: string): URL => {
  const found = entries.get(program)
  if (found !== undefined) return found
  // In the repository, so that what stays outside of the bundle is found.
  const parent = join(root, '.bootstrap')
  const folder = join(parent, `worker-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  // A process that is killed leaves its own.
  for (const name of readdirSync(parent)) if (/^worker-\d+$/.test(name) && !isRunning(Number(name.slice(7)))) rmSync(join(parent, name), { recursive: true, force: true })
  const outfile = join(folder, `${program}.mjs`)
  const source = (name: string): string => join(root, 'packages', name, 'src', 'index.ts')
  buildSync({
    entryPoints: [join(root, 'packages', 'formats', 'src', `${program}.ts`)], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'warning',
    alias: { '@millrace/core': source('core'), '@millrace/formats': source('formats') }, packages: 'external', treeShaking: true,
  })
  const entry = pathToFileURL(outfile)
  entries.set(program, entry)
  return entry
}

/** Stands for the module worker-entry of @millrace/formats, beside whose bundle the file lies: here the sources that are tested are run. */
export const workerEntry = (): URL => bundled('worker')

/** The same for inflate-entry. */
export const inflateEntry = (): URL => bundled('inflate')
