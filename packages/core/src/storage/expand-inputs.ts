import { describeValue, failure, hasTag, throwIfAborted } from '../errors/index.js'
import { isGlob } from './list-local.js'
import { storageFor } from './registry.js'
import { expandShardSpec } from './shards.js'
import type { FileInfo } from './storage.js'

const found = async (url: string, signal: AbortSignal | undefined): Promise<FileInfo | undefined> => {
  try {
    return await storageFor(url).stat(url, signal)
  } catch (error) {
    if (hasTag(error, 'NotFound')) return undefined
    throw error
  }
}

const listed = async (glob: string, signal: AbortSignal | undefined): Promise<readonly FileInfo[]> => {
  const storage = storageFor(glob)
  if (storage.list === undefined) {
    throw failure({ tag: 'Usage', code: 'NO_LISTING', problem: `${storage.scheme} cannot list files, so a glob means nothing there`, remedy: 'Name the files one by one.', position: { source: glob } })
  }
  const files = await storage.list(glob, signal)
  if (files.length > 0) return files
  throw failure({ tag: 'NotFound', code: 'NO_MATCH', problem: 'no file matches the pattern', remedy: 'Check the pattern; it is relative to the current folder.', position: { source: glob } })
}

const expandOne = async (source: string, signal: AbortSignal | undefined): Promise<readonly FileInfo[]> => {
  throwIfAborted(signal)
  const storage = storageFor(source)
  const spec = expandShardSpec(source)
  const mayBePattern = storage.list !== undefined && (spec !== undefined || isGlob(source))
  if (!mayBePattern) return [await storage.stat(source, signal)]
  // A file whose very name looks like a pattern is that file.
  const literal = await found(source, signal)
  if (literal !== undefined) return [literal]
  if (spec === undefined) return listed(source, signal)
  if ('glob' in spec) return listed(spec.glob, signal)
  return Promise.all(spec.map((name) => storage.stat(name, signal)))
}

/** For callers whom the compiler does not check. @throws `Usage` for a source that is neither a text nor a list of texts */
const requireSource = (source: unknown): void => {
  const wrong = Array.isArray(source) ? (source as readonly unknown[]).find((one) => typeof one !== 'string') : source
  if (typeof source === 'string' || (Array.isArray(source) && source.every((one) => typeof one === 'string'))) return
  throw failure({
    tag: 'Usage',
    code: 'BAD_SOURCE',
    problem: `a source is a path or URL as a string, or a list of them, and here is ${describeValue(wrong)}`,
    remedy: "Give a string such as 'data/*.csv'; of a URL object its href.",
  })
}

/**
 * The files that a source names: a path or URL, a glob (`flights-*.json`), a shard specification (`train@4`, `train@*`), or a
 * list of these, in the order given and by name within a pattern.
 *
 * @throws `NotFound` for a file that is not there and for a pattern that nothing matches
 * @throws `Usage` for an empty list, and for what is not a string
 */
export const expandInputs = async (source: string | readonly string[], signal?: AbortSignal): Promise<readonly FileInfo[]> => {
  requireSource(source)
  const sources = typeof source === 'string' ? [source] : source
  if (sources.length === 0) throw failure({ tag: 'Usage', code: 'NO_INPUT', problem: 'the list of files is empty' })
  const files: FileInfo[] = []
  for (const one of sources) files.push(...(await expandOne(one, signal)))
  return files
}
