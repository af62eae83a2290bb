import { link, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { failure, requireOneOf, requireOptions, type OptionRules } from '../errors/index.js'
import { asideName, removeLeftovers } from './leftovers.js'
import { alreadyExists, localPath } from './local-storage.js'
import { localTarget } from './local-target.js'
import { schemeOf, storageFor } from './registry.js'
import { dropMarkers, takeMarkers, type SetMarker } from './set-markers.js'
import type { IfExists, Output } from './storage.js'

/** Options of {@link openOutputSet}. */
export interface OutputSetOptions {
  /** Default `fail`. */
  readonly ifExists?: IfExists | undefined
  readonly signal?: AbortSignal | undefined
  /**
   * Glob of files that belong to an earlier output of the same name (shards of another count). With `replace` they are
   * removed at commit; with `fail` one of them is enough to fail; a glob is looked up at both times. Or their names.
   */
  readonly stale?: string | readonly string[] | undefined
  /**
   * Files that tell readers whether the set is whole, each an output of the set or not: they are taken away before the first other file has
   * its name, and given last. Without them a process that is killed while files have their names leaves old ones and new ones side by side.
   */
  readonly markers?: readonly SetMarker[] | undefined
}

const rules: OptionRules<OutputSetOptions> = { ifExists: 'any', signal: 'any', stale: 'any', markers: 'any' }

/** Outputs that appear together or not at all. */
export interface OutputSet {
  /** One for each URL, in order, and those added. */
  readonly outputs: readonly Output[]
  /** Opens one more output of the set, which is committed after the others. @throws as {@link openOutputSet} */
  add(url: string, options?: Pick<OutputSetOptions, 'ifExists'>): Promise<Output>
  /**
   * Closes all outputs and gives them their names, in their order, markers last. If one cannot have its name, none has, and what was there is back;
   * in storages other than this machine's files, what was replaced until then is gone, and markers say so.
   *
   * @param prepare - called when the markers are taken and no other file has changed: with an exclusive one, no other job commits from here on. It may
   *   add outputs, and gives names of files that go, beside those of `stale`
   */
  commit(prepare?: () => Promise<readonly string[]>): Promise<void>
  /** Removes everything written. Safe at any time. */
  abort(): Promise<void>
}

const staleFiles = async (stale: string | readonly string[] | undefined, signal: AbortSignal | undefined): Promise<readonly string[]> => {
  if (stale === undefined || typeof stale !== 'string') return stale ?? []
  return ((await storageFor(stale).list?.(stale, signal)) ?? []).map((file) => file.url)
}

const others = (urls: readonly string[], than: readonly string[]): readonly string[] => {
  const ours = new Set(than.map(localPath))
  return urls.filter((url) => !ours.has(localPath(url)))
}

interface Kept {
  readonly url: string
  readonly path: string
  readonly backup: string
}

/**
 * Keeps a local file under another name, so that it can come back. One that is replaced stays under its own too, until the new one
 * takes its place: there is no moment without it, save on file systems without hard links.
 */
const keep = async (url: string, isReplaced: boolean): Promise<Kept | undefined> => {
  // Of a file that only goes, it is the name that goes, be it a link.
  const path = isReplaced ? (await localTarget(localPath(url), url)).path : localPath(url)
  const backup = asideName(path)
  try {
    if (isReplaced) await link(path, backup).catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? Promise.reject(error) : rename(path, backup)))
    else await rename(path, backup)
    return { url, path, backup }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** What a set changes when it is committed. */
interface Changes {
  readonly outputs: readonly Output[]
  /** URLs whose files outputs take the place of. */
  readonly replaced: ReadonlySet<string>
  /** Gives the URLs of files that go, where no other job commits. It may add to the outputs. */
  readonly prepare: () => Promise<readonly string[]>
  readonly markers: readonly SetMarker[]
}

const isLocal = (url: string): boolean => schemeOf(url) === 'file'

const commitAll = async ({ outputs, replaced, prepare, markers }: Changes): Promise<void> => {
  for (const output of outputs) await output.close()
  const isMarker = (url: string): boolean => markers.some((marker) => marker.url === url)
  const putMarkersBack = await takeMarkers(markers)
  const kept: Kept[] = []
  const committed: Output[] = []
  let isGone = false
  const commit = async (output: Output): Promise<void> => {
    await output.commit()
    committed.push(output)
    isGone ||= !isLocal(output.url) && replaced.has(output.url)
  }
  try {
    const stale = await prepare()
    for (const output of outputs) await output.close()
    for (const url of [...replaced, ...stale]) {
      if (!isLocal(url) || isMarker(url)) continue
      const found = await keep(url, replaced.has(url))
      if (found !== undefined) kept.push(found)
    }
    for (const output of outputs) if (!isMarker(output.url)) await commit(output)
    // What cannot be kept aside goes last: until here it may still be needed.
    for (const url of stale) {
      if (isLocal(url) || isMarker(url)) continue
      isGone = true
      await storageFor(url).remove?.(url)
    }
    for (const output of outputs) if (isMarker(output.url)) await commit(output)
  } catch (error) {
    // Old ones take the places of new ones: where a link leads that is replaced, it is not the link that goes.
    const comesBack = new Set(kept.map(({ url }) => url))
    for (const { url } of committed) if (!comesBack.has(url)) await storageFor(url).remove?.(url)
    for (const { path, backup } of kept) {
      await rename(backup, path)
      // Renaming does nothing where both are names of one file still.
      await rm(backup, { force: true })
    }
    if (!isGone) await putMarkersBack()
    throw error
  }
  for (const { backup } of kept) await rm(backup, { force: true })
  await dropMarkers(markers, outputs)
}

/**
 * Opens the outputs of one set, for instance all the shards of a data set.
 *
 * @throws `AlreadyExists` when an output is there and `ifExists` is `fail` (the default)
 * @throws `Usage` when the storage cannot be written to, or `ifExists` is neither
 */
export const openOutputSet = async (urls: readonly string[], options: OutputSetOptions = {}): Promise<OutputSet> => {
  requireOptions('openOutputSet', options, rules)
  const { ifExists = 'fail', signal, stale, markers = [] } = options
  requireOneOf('ifExists', ifExists, ['fail', 'replace'])
  const outputs: Output[] = []
  const replaced = new Set<string>()
  const cleaned = new Set<string>()
  const add = async (url: string, options: Pick<OutputSetOptions, 'ifExists'> = {}): Promise<Output> => {
    const storage = storageFor(url)
    if (storage.create === undefined) {
      throw failure({ tag: 'Usage', code: 'READ_ONLY_STORAGE', problem: `${storage.scheme} can only be read`, remedy: 'Write to a storage that takes files.', position: { source: url } })
    }
    const one = options.ifExists ?? ifExists
    const output = await storage.create(url, { ifExists: one, signal })
    outputs.push(output)
    if (one === 'replace') replaced.add(url)
    // Temporary names are beside what is replaced, and that may be where a link leads.
    const folder = isLocal(url) ? dirname((await localTarget(localPath(url), url)).path) : undefined
    if (folder !== undefined && !cleaned.has(folder)) await removeLeftovers(folder)
    if (folder !== undefined) cleaned.add(folder)
    return output
  }
  const abort = async (): Promise<void> => {
    await Promise.all(outputs.map((output) => output.abort()))
  }
  /** Files of an earlier output that are none of this one. */
  const earlier = async (): Promise<readonly string[]> => others(await staleFiles(stale, signal), outputs.length === 0 ? urls : outputs.map(({ url }) => url))
  const known = await earlier()
  if (ifExists === 'fail' && known.length > 0) throw alreadyExists(known[0]!)
  try {
    for (const url of urls) await add(url)
  } catch (error) {
    await abort()
    throw error
  }
  return {
    outputs,
    add,
    commit: async (prepare) => {
      try {
        await commitAll({ outputs, replaced, markers, prepare: async () => {
          // Another job may have written some, or ended, since this one began.
          const more = (await prepare?.()) ?? []
          return ifExists === 'replace' ? others([...(await earlier()), ...more], outputs.map(({ url }) => url)) : []
        } })
      } catch (error) {
        await abort()
        throw error
      }
    },
    abort,
  }
}

/** Opens a set of outputs, writes to it, and commits it, or aborts it when `write` throws. */
export const withOutputSet = async <A>(urls: readonly string[], options: OutputSetOptions, write: (outputs: readonly Output[]) => Promise<A>): Promise<A> => {
  const set = await openOutputSet(urls, options)
  try {
    const result = await write(set.outputs)
    await set.commit()
    return result
  } catch (error) {
    await set.abort()
    throw error
  }
}
