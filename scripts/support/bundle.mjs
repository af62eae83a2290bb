import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './console.mjs'
import { packages } from './packages.mjs'

const require = createRequire(import.meta.url)
// tsup brings esbuild along.
const { build } = createRequire(require.resolve('tsup'))('esbuild')

const sourceUrls = (filter) => ({
  name: 'urls-of-sources',
  setup: ({ onLoad }) =>
    onLoad({ filter }, ({ path }) => ({ loader: 'ts', contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)) })),
})

/**
 * Bundles TypeScript programs with the packages' sources into `folder`, as `NAME.mjs`. Everything else (optional peers included) stays outside
 * the bundle, as it does for a user.
 *
 * @param {readonly string[]} entryPoints
 * @param {string} folder
 * @param {{ readonly findsFiles?: RegExp }} [options] - sources that find files beside themselves by `import.meta.url`
 */
export const bundlePrograms = (entryPoints, folder, { findsFiles } = {}) =>
  build({
    entryPoints: [...entryPoints],
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
      ...(findsFiles === undefined ? [] : [sourceUrls(findsFiles)]),
    ],
  })
