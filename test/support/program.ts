import { createRequire } from 'node:module'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const require = createRequire(import.meta.url)

interface Esbuild {
  build(options: object): Promise<unknown>
}

/**
 * Bundles a TypeScript program with the packages' sources, for tests that need a process of their own: one that is killed, or
 * whose disk is full. Gives the path of a file for Node to run, in a folder that git ignores.
 */
export const buildProgram = async (source: string, name: string): Promise<string> => {
  // tsup brings esbuild along.
  const { build } = createRequire(require.resolve('tsup'))('esbuild') as Esbuild
  const folder = join(root, '.bootstrap', 'programs')
  mkdirSync(folder, { recursive: true })
  const outfile = join(folder, `${name}-${process.pid}.mjs`)
  await build({
    stdin: { contents: source, resolveDir: root, loader: 'ts' },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    alias: Object.fromEntries(['core', 'formats', 'export', 'distributed'].map((part) => [`@millrace/${part}`, join(root, 'packages', part, 'src', 'index.ts')])),
    // What is installed stays outside, as it does for a user.
    packages: 'external',
  })
  return outfile
}
