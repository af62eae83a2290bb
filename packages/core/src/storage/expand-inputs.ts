import { resolve } from 'node:path'
import { describeValue, failure, hasTag, requireOptions, throwIfAborted, type OptionRules } from '../errors/index.js'
import { requireAllShards } from './complete-shards.js'
import { below, fixedPart, folderData, globData, globMatcher, withBytes, type InputFile } from './input-folder.js'
import { listChosen, type ChoosePartition } from './list-chosen.js'
import { isGlob } from './list-local.js'
import { localPath } from './local-storage.js'
import { schemeOf, storageFor } from './registry.js'
import { requireSuccessIn } from './require-success.js'
import { requireCommitted, requireOneFolder, requireOneSet } from './set-manifest.js'
import { expandShardSpec } from './shards.js'
import { requireWholeFolders } from './whole-folders.js'

/** Options of {@link expandInputs}. */
export interface ExpandOptions {
  /**
   * Whether the folder of the files (that of a partitioned set: its topmost) must have a file `_SUCCESS`, which Spark, Hadoop and our
   * writers leave when all is written. Default false.
   */
  readonly requireSuccess?: boolean | undefined
  /** Which partitions of a folder are wanted. Others may be given all the same, where leaving them out would spare no request. Default: all. */
  readonly choose?: ChoosePartition | undefined
  /**
   * Whether none is an answer, where a job without rows has left a folder with `_SUCCESS` alone, or only files without a byte. Default false:
   * who needs a file to know the columns is told that there is none.
   */
  readonly mayBeEmpty?: boolean | undefined
}

const rules: OptionRules<ExpandOptions> = { requireSuccess: 'boolean', choose: 'any', mayBeEmpty: 'boolean' }

/** What is passed on to the listing of one source. */
interface Expansion extends ExpandOptions {
  readonly signal: AbortSignal | undefined
}

const noMatch = (source: string, problem: string, remedy: string): Error => failure({ tag: 'NotFound', code: 'NO_MATCH', problem, remedy, position: { source } })

/** The files of a pattern; none where nothing matches. */
const matching = async (glob: string, signal: AbortSignal | undefined): Promise<readonly InputFile[]> => {
  const storage = storageFor(glob)
  if (storage.list === undefined) {
    throw failure({ tag: 'Usage', code: 'NO_LISTING', problem: `${storage.scheme} cannot list files, so a glob means nothing there`, remedy: 'Name the files one by one.', position: { source: glob } })
  }
  const files = globData(glob, await storage.list(glob, signal))
  if (files.length > 0) {
    requireAllShards(files, globMatcher(glob))
    return files
  }
  const within = folderData(fixedPart(glob), await storage.list(`${glob.replace(/\/+$/, '')}/**`, signal))
  requireAllShards(within, () => true)
  return within
}

const ofNoRows = ' If it is the output of a job without rows, give the reader a schema: it then has no rows.'

/** What a source stands for. */
interface Expanded {
  readonly files: readonly InputFile[]
  /** The folder that it names. Absent for a file and a pattern. */
  readonly folder?: string
}

/** The files of a folder, where a source that is no file is one: object stores know folders only by what lies in them. */
const asFolder = async (source: string, error: unknown, { signal, choose, mayBeEmpty = false }: Expansion): Promise<Expanded> => {
  const storage = storageFor(source)
  const isFolder = hasTag(error, 'Storage') && error.code === 'EISDIR'
  if (storage.list === undefined || !(isFolder || (hasTag(error, 'NotFound') && storage.scheme !== 'file'))) throw error
  const folder = source.replace(/(?<=[^/])\/+$/, '')
  const listed = await listChosen(folder, choose, signal)
  await requireCommitted(folder, listed.files, signal)
  const found = folderData(folder, listed.files)
  requireAllShards(found, () => true)
  await requireOneSet(found, signal)
  await requireOneFolder(folder, found, !listed.leavesOut, signal)
  const files = withBytes(found)
  const isDone = (): boolean => found.length > 0 || listed.files.some(({ url }) => below(folder, url).join('/') === '_SUCCESS')
  if (files.length > 0 || listed.leavesOut || (mayBeEmpty && isDone())) return { files, folder }
  if (!isFolder && listed.files.length === 0) throw error
  throw noMatch(source, 'no data is in the folder', `Names that begin with _ or . and empty files are not taken for data.${ofNoRows}`)
}

const expandOne = async (source: string, options: Expansion): Promise<Expanded> => {
  const { signal, choose, mayBeEmpty = false } = options
  throwIfAborted(signal)
  const storage = storageFor(source)
  const spec = expandShardSpec(source)
  const mayBePattern = storage.list !== undefined && (spec !== undefined || isGlob(source))
  try {
    // A file whose very name looks like a pattern is that file.
    return { files: [await storage.stat(source, signal)] }
  } catch (error) {
    if (!mayBePattern || !hasTag(error, 'NotFound')) return asFolder(source, error, options)
  }
  if (spec !== undefined && !('glob' in spec)) {
    const files = await Promise.all(spec.map((name) => storage.stat(name, signal)))
    await requireOneSet(files, signal)
    return { files }
  }
  const found = await matching(spec === undefined ? source : spec.glob, signal)
  // A folder whose very name looks like one is that folder.
  if (found.length === 0) return asFolder(source, noMatch(source, 'no file matches the pattern', 'Check the pattern; it is relative to the current folder.'), options)
  // Folders of partitions that nobody wants are not asked about.
  const wanted = found.filter(({ partition }) => partition === undefined || choose?.(partition) !== false)
  if (spec === undefined) await requireWholeFolders(fixedPart(source), wanted, signal)
  await requireOneSet(found, signal)
  const files = withBytes(found)
  if (files.length > 0 || mayBeEmpty) return { files }
  throw noMatch(source, 'all files that match the pattern are empty', `Empty files are not taken for data.${ofNoRows}`)
}

/** The folder in which `_SUCCESS` is looked for. */
const jobFolder = (source: string, { files, folder }: Expanded): string => {
  if (folder !== undefined) return folder
  if (files.length === 1 && files[0]!.url === source) return source.replace(/[^/\\]*$/, '')
  const spec = expandShardSpec(source)
  return spec === undefined && !isGlob(source) ? source : fixedPart(spec === undefined ? source : `${source.replace(/@[^@]*$/, '')}*`)
}

/** For callers whom the compiler does not check. @throws `Usage` for a source that is neither a text nor a list of texts */
export const requireSource = (source: unknown): void => {
  const wrong = Array.isArray(source) ? (source as readonly unknown[]).find((one) => typeof one !== 'string') : source
  if (typeof source === 'string' || (Array.isArray(source) && source.every((one) => typeof one === 'string'))) return
  throw failure({
    tag: 'Usage',
    code: 'BAD_SOURCE',
    problem: `a source is a path or URL as a string, or a list of them, and here is ${describeValue(wrong)}`,
    remedy: "Give a string such as 'data/*.csv'; of a URL object its href.",
  })
}

/** What two names of one file have in common. */
const keyOf = (url: string): string => (schemeOf(url) === 'file' ? resolve(localPath(url)) : url)

/**
 * The files that a source names: a path or URL, a folder, a glob (`flights-*.json`), a shard specification (`train@4`, `train@*`), or a
 * list of these, in the order given and by name within a folder or a pattern. A file that a folder or a pattern of a list stands for is given once, where
 * the first of them stands that it belongs to, whatever else names it; one that is named twice, and by names alone, twice.
 *
 * Of folders all data below them is read, as big-data tools leave it there: not `_SUCCESS`, `_temporary/…`, hidden names, checksums and
 * empty files, which patterns pass over as well. Folders `key=value` below the one that was asked for (of a pattern, below its fixed part) tell the partition of a file.
 * A pattern that no file matches stands for the folders that it matches. Where our writers have left a manifest beside shards or in a folder,
 * the files must be those that it lists.
 *
 * @throws `NotFound` for a file that is not there, for a pattern that nothing matches and a folder without data, for a shard that is
 * missing (MISSING_SHARD) and a job that has not ended (JOB_NOT_DONE, see `requireSuccess`)
 * @throws `Corrupt` for a set whose writer was killed when it gave the files their names, or does so now (SET_NOT_WHOLE), and for files of several
 * sets (SET_MIXED)
 * @throws `Usage` for an empty list, and for what is not a string
 */
export const expandInputs = async (source: string | readonly string[], signal?: AbortSignal, options: ExpandOptions = {}): Promise<readonly InputFile[]> => {
  requireSource(source)
  requireOptions('expandInputs', options, rules)
  const sources = typeof source === 'string' ? [source] : source
  if (sources.length === 0) throw failure({ tag: 'Usage', code: 'NO_INPUT', problem: 'the list of files is empty' })
  const files: InputFile[] = []
  const byPatterns = new Set<string>()
  const byName = new Set<string>()
  for (const one of sources) {
    const expanded = await expandOne(one, { ...options, signal })
    if (options.requireSuccess === true) await requireSuccessIn(jobFolder(one, expanded), signal)
    const isNamed = expanded.files.length === 1 && expanded.files[0]!.url === one
    for (const file of expanded.files) {
      const key = keyOf(file.url)
      // Who names a file twice asks for it twice; what else the sources have in common is read once.
      if (!byPatterns.has(key) && (isNamed || !byName.has(key))) files.push(file)
      ;(isNamed ? byName : byPatterns).add(key)
    }
  }
  return files
}
