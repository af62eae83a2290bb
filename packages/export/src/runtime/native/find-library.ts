import { failure } from '@millrace/core'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/** File names of libtensorflow, the best first: `libtensorflow_cc` is what TensorFlow's Python wheels bring, and it has the C API too. */
const names: { readonly [platform: string]: readonly string[] } = {
  linux: ['libtensorflow.so.2', 'libtensorflow.so', 'libtensorflow_cc.so.2'],
  darwin: ['libtensorflow.2.dylib', 'libtensorflow.dylib', 'libtensorflow_cc.2.dylib'],
  win32: ['tensorflow.dll'],
}

const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const

const inFolder = (folder: string): string | undefined =>
  (names[process.platform] ?? names['linux']!).map((name) => join(folder, name)).find(existsSync)

/** A file, or a folder that holds it: of a library, of a Python package `tensorflow`, or of a Python environment. */
const atPath = (path: string): string | undefined => {
  const place = resolve(path)
  if (!existsSync(place)) return undefined
  if (!statSync(place).isDirectory()) return place
  const pythons = existsSync(join(place, 'lib')) ? readdirSync(join(place, 'lib')).filter((name) => name.startsWith('python3')) : []
  const installed = pythons.flatMap((python) => ['site-packages', 'dist-packages'].map((packages) => join(place, 'lib', python, packages, 'tensorflow')))
  const folders = [place, join(place, 'lib'), join(place, 'tensorflow'), ...installed]
  return folders.map(inFolder).find((found) => found !== undefined)
}

const inPackage = (name: string): string | undefined => {
  for (const from of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return inFolder(join(dirname(createRequire(from).resolve(`${name}/package.json`)), 'deps', 'lib'))
    } catch {
      // Not installed there.
    }
  }
  return undefined
}

/** Where a TensorFlow is installed that nobody named: an active Python environment, what `pip install --user` made, the system. */
const environments = (): readonly string[] =>
  [process.env['VIRTUAL_ENV'], process.env['CONDA_PREFIX'], join(homedir(), '.local'), '/usr/local', '/usr'].filter((place) => place !== undefined && place !== '') as string[]

const installed = (): string | undefined => {
  for (const name of packages) {
    const found = inPackage(name)
    if (found !== undefined) return found
  }
  return environments().map(atPath).find((found) => found !== undefined)
}

/**
 * Where libtensorflow is: at `path`, else at the environment's `LIBTENSORFLOW`, else in an installed `@tensorflow/tfjs-node-gpu` or
 * `@tensorflow/tfjs-node`, else in the active Python environment (`VIRTUAL_ENV`, `CONDA_PREFIX`), the user's (`~/.local`), or the
 * system's (`/usr/local`, `/usr`). A path may be that of the library, or of a folder that holds it: the folder of an installed Python
 * package `tensorflow` and a Python environment are such folders.
 *
 * @throws `MissingPeer` that says where it was looked for
 */
export const findLibrary = (path?: string): string => {
  const named = path ?? process.env['LIBTENSORFLOW']
  const found = named === undefined || named === '' ? installed() : atPath(named)
  if (found !== undefined) return found
  throw failure({
    tag: 'MissingPeer',
    code: 'LIBTENSORFLOW',
    problem: named === undefined || named === '' ? `no libtensorflow was found: LIBTENSORFLOW is not set, and neither ${packages.join(' nor ')} nor Python's tensorflow is installed` : `there is no libtensorflow at ${named}`,
    remedy: "Install one (npm install @tensorflow/tfjs-node, or pip install tensorflow) and give its folder as the option library, or in LIBTENSORFLOW.",
  })
}
