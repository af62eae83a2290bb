import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { runPython, peerLacks } from '../../test/support/python.js'

const NPM = ['csv-parse', 'udsv', 'stream-json', 'protobufjs', '@node-rs/crc32', 'hyparquet', 'hyparquet-compressors', 'hyparquet-writer', 'pg', 'pg-cursor', 'pg-query-stream', 'mysql2']
const PYTHON = ['tensorflow-cpu', 'keras', 'polars', 'pyarrow']

const npmVersions = (): readonly string[] =>
  NPM.flatMap((name) => {
    const manifest = resolve('node_modules', name, 'package.json')
    if (!existsSync(manifest)) return []
    return [`${name} ${(JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version: string }).version}`]
  })

const pythonVersions = async (): Promise<readonly string[]> => {
  if (peerLacks('numpy') !== undefined) return []
  const script = `import importlib.metadata as found, json, platform, sys
have = {one.metadata['Name'].replace('_', '-') for one in found.distributions()}
print(json.dumps(['Python ' + platform.python_version()] + [name + ' ' + found.version(name) for name in sys.argv[1:] if name in have]))`
  return JSON.parse(await runPython(script, { args: PYTHON })) as string[]
}

/** Packages that benchmarks compare with, those that are installed, with their versions. */
export const peerVersions = async (python: boolean): Promise<readonly string[]> => [...npmVersions(), ...(python ? await pythonVersions() : [])]
