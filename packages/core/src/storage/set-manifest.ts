import { failure, hasTag } from '../errors/index.js'
import { inTurn } from './in-turn.js'
import { below } from './input-folder.js'
import { readIfThere } from './read-whole.js'
import { foldersOf, isThere } from './require-success.js'
import type { FileInfo } from './storage.js'


/**
 * The manifest of shards with that prefix: `data/train` has `data/.train.manifest.json`, which globs of files do not match. That of a
 * folder that `partitionBy` wrote is `data/.manifest.json`: its prefix is `data/`.
 */
export const manifestName = (prefix: string): string => prefix.replace(/([^/\\]*)$/, (name) => (name === '' ? '.manifest.json' : `.${name}.manifest.json`))

/** The file beside the shards of a set that is there while they are replaced: hidden, as the manifest is, and of the job that replaces them alone. */
export const committingShardsName = (prefix: string): string => manifestName(prefix).replace(/manifest\.json$/, 'committing')

/**
 * What a manifest says while the files of its set get their names.
 *
 * @param details - for people
 */
export const pendingManifest = (format: string, details: { readonly [name: string]: string } = {}): string => `${JSON.stringify({ format, state: 'committing', ...details })}\n`

const COMMITTING = '_COMMITTING'

/** The file in a folder of many files that is there while they get their names. */
export const committingName = (folder: string): string => `${folder}/${COMMITTING}`

const lastName = (url: string): string => url.slice(url.search(/[^/\\]*$/))

const OR_REMOVE = ', or, where files were added to a folder, remove those that this file names, and then it'

/** That a set was left, or is, in the midst of its commit. */
export const notWhole = (source: string): Error =>
  failure({
    tag: 'Corrupt', code: 'SET_NOT_WHOLE', problem: 'the files of the set are not all those of one job: its writer is giving them their names just now, or was killed then',
    remedy: `Wait for the writer; if none is at work, write the set again with ifExists: 'replace'${lastName(source) === COMMITTING ? OR_REMOVE : ''}.`, position: { source },
  })

/** Whoever may not list a bucket is refused a key that is not there. */
const isRefused = (error: unknown): boolean => hasTag(error, 'Storage') && /DENIED|FORBIDDEN|ACCESS_CONTROL|EACCES|_40[13]$/.test(error.code)

const refusedIsFalse = (error: unknown): boolean => {
  if (isRefused(error)) return false
  throw error
}

/** @throws `Corrupt` SET_NOT_WHOLE where files of the folder itself get their names */
export const requireNotCommitting = async (folder: string, signal: AbortSignal | undefined): Promise<void> => {
  if (await isThere(committingName(folder), signal).catch(refusedIsFalse)) throw notWhole(committingName(folder))
}

/**
 * Checks that no job is giving, or was killed when it gave, the files of a folder their names.
 *
 * @param folder - of a partition's, that of the set is looked at as well
 * @param listed - what lies in the folder, where that is known
 * @throws `Corrupt` SET_NOT_WHOLE
 */
export const requireCommitted = async (folder: string, listed: readonly FileInfo[] | undefined, signal: AbortSignal | undefined): Promise<void> => {
  const [first, ...above] = foldersOf(folder)
  const found = listed?.find(({ url }) => lastName(url) === COMMITTING)
  if (found !== undefined) throw notWhole(found.url)
  for (const one of listed === undefined ? [first, ...above] : above) await requireNotCommitting(one, signal)
}

const mixed = (source: string, manifest: string, problem: string): Error =>
  failure({
    tag: 'Corrupt', code: 'SET_MIXED', problem: `${problem}: files of several jobs lie side by side, or one was changed`,
    remedy: `Write or copy the set again; if the files are as they should be, remove ${manifest}.`, position: { source },
  })

/** The files of a set: bytes by name within the folder. Manifests of earlier releases do not know them. */
type Sizes = ReadonlyMap<string, number | undefined>

const isObject = (value: unknown): value is { readonly [key: string]: unknown } => typeof value === 'object' && value !== null && !Array.isArray(value)

/** What a manifest of ours says; `undefined` for anything else. */
const parseOurs = (bytes: Uint8Array): { readonly [key: string]: unknown } | undefined => {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    return isObject(value) && typeof value['format'] === 'string' && value['format'].startsWith('millrace.') ? value : undefined
  } catch {
    return undefined
  }
}

/** Whether a file is a manifest that our writers write: others use the name too. */
export const isOurManifest = (bytes: Uint8Array): boolean => parseOurs(bytes) !== undefined

/** The files of a manifest; `undefined` where none is there, or what is there is none of ours. @throws `Corrupt` SET_NOT_WHOLE */
const sizesIn = async (manifest: string, signal: AbortSignal | undefined): Promise<Sizes | undefined> => {
  const bytes = await readIfThere(manifest, { signal }).catch((error: unknown) => {
    if (hasTag(error, 'Limit') || isRefused(error)) return undefined
    throw error
  })
  const value = bytes === undefined ? undefined : parseOurs(bytes)
  if (value === undefined) return undefined
  if (value['state'] === 'committing') throw notWhole(manifest)
  const { shards } = value
  if (!Array.isArray(shards)) return undefined
  const named = shards.filter((shard): shard is { file: string; bytes?: unknown } => isObject(shard) && typeof shard['file'] === 'string')
  return new Map(named.map(({ file, bytes }) => [file, typeof bytes === 'number' ? bytes : undefined]))
}

const requireListed = (files: readonly FileInfo[], nameOf: (file: FileInfo) => string, sizes: Sizes, manifest: string): void => {
  for (const file of files) {
    const name = nameOf(file)
    if (!sizes.has(name)) throw mixed(file.url, manifest, 'the manifest of the set does not name this file')
    const bytes = sizes.get(name)
    if (bytes !== undefined && file.size !== undefined && bytes !== file.size) throw mixed(file.url, manifest, `the file has ${file.size} bytes, and by the manifest of its set ${bytes}`)
  }
}

/** Values by key, in the order in which keys come up. */
export const groupedBy = <A, K>(all: readonly A[], keyOf: (one: A) => K): ReadonlyMap<K, readonly A[]> => {
  const groups = new Map<K, A[]>()
  for (const one of all) {
    const key = keyOf(one)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [one])
    else group.push(one)
  }
  return groups
}

const shardForm = /^(.*)-\d{5}-of-\d{5}$/s

/**
 * Checks that shards are those that the manifest beside them lists, where one is: by names and sizes.
 *
 * @throws `Corrupt` SET_NOT_WHOLE, SET_MIXED
 */
export const requireOneSet = async (files: readonly FileInfo[], signal: AbortSignal | undefined): Promise<void> => {
  const sets = groupedBy(files, ({ url }) => shardForm.exec(url)?.[1])
  await inTurn([...sets], async ([prefix, shards]) => {
    if (prefix === undefined) return
    const manifest = manifestName(prefix)
    const sizes = await sizesIn(manifest, signal)
    if (sizes !== undefined) requireListed(shards, ({ url }) => lastName(url), sizes, manifest)
  })
}

/** Only folders of these files have a manifest: of others none is asked for. */
const listedEnding = /\.tfrecord(\.\w+)?$/

/**
 * Checks that the files of a folder are those that its manifest lists, where it has one.
 *
 * @param folder - of a partition's, the manifest is that of the set
 * @param files - of the data in the folder
 * @param isAll - whether they are all that is there
 * @throws `Corrupt` SET_NOT_WHOLE, SET_MIXED
 */
export const requireOneFolder = async (folder: string, files: readonly FileInfo[], isAll: boolean, signal: AbortSignal | undefined): Promise<void> => {
  if (!files.some(({ url }) => listedEnding.test(url))) return
  const root = foldersOf(folder).at(-1)!
  const manifest = `${root}/.manifest.json`
  const sizes = await sizesIn(manifest, signal)
  if (sizes === undefined) return
  const nameOf = ({ url }: FileInfo): string => below(root === '.' ? '' : root, url).join('/')
  requireListed(files, nameOf, sizes, manifest)
  if (!isAll || root !== folder) return
  const names = new Set(files.map(nameOf))
  // Folders pass over files without a byte, and earlier releases did not count them.
  for (const [name, bytes = 0] of sizes) if (bytes > 0 && !names.has(name)) throw mixed(`${folder}/${name}`, manifest, 'the manifest of the set names this file, which is not there')
}
