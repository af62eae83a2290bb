import { describeValue, failure, hasTag, throwIfAborted } from '../errors/index.js'
import { requireAllShards } from './complete-shards.js'
import { fixedPart, folderData, globData, globMatcher, type InputFile } from './input-folder.js'
import { listChosen, type ChoosePartition } from './list-chosen.js'
import { isGlob } from './list-local.js'
import { storageFor } from './registry.js'
import { requireSuccessIn } from './require-success.js'
import { expandShardSpec } from './shards.js'

/** Options of {@link expandInputs}. */
export interface ExpandOptions {
  /**
   * Whether the folder of the files (that of a partitioned set: its topmost) must have a file `_SUCCESS`, which Spark, Hadoop and our
   * writers leave when all is written. Default false.
   */
  readonly requireSuccess?: boolean | undefined
  /** Which partitions of a folder are wanted. Others may be given all the same, where leaving them out would spare no request. Default: all. */
  readonly choose?: ChoosePartition | undefined
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

/** What a source stands for. */
interface Expanded {
  readonly files: readonly InputFile[]
  /** The folder that it names. Absent for a file and a pattern. */
  readonly folder?: string
}

/** The files of a folder, where a source that is no file is one: object stores know folders only by what lies in them. */
const asFolder = async (source: string, error: unknown, { signal, choose }: Pick<ExpandOptions, 'choose'> & { readonly signal: AbortSignal | undefined }): Promise<Expanded> => {
  const storage = storageFor(source)
  const isFolder = hasTag(error, 'Storage') && error.code === 'EISDIR'
  if (storage.list === undefined || !(isFolder || (hasTag(error, 'NotFound') && storage.scheme !== 'file'))) throw error
  const folder = source.replace(/(?<=[^/])\/+$/, '')
  const listed = await listChosen(folder, choose, signal)
  const files = folderData(folder, listed.files)
  requireAllShards(files, () => true)
  if (files.length > 0 || listed.leavesOut) return { files, folder }
  if (!isFolder) throw error
  throw noMatch(source, 'no data is in the folder', 'Names that begin with _ or . and empty files are not taken for data.')
}

const expandOne = async (source: string, signal: AbortSignal | undefined, choose: ChoosePartition | undefined): Promise<Expanded> => {
  throwIfAborted(signal)
  const storage = storageFor(source)
  const spec = expandShardSpec(source)
  const mayBePattern = storage.list !== undefined && (spec !== undefined || isGlob(source))
  try {
    // A file whose very name looks like a pattern is that file.
    return { files: [await storage.stat(source, signal)] }
  } catch (error) {
    if (!mayBePattern || !hasTag(error, 'NotFound')) return asFolder(source, error, { signal, choose })
  }
  if (spec !== undefined && !('glob' in spec)) return { files: await Promise.all(spec.map((name) => storage.stat(name, signal))) }
  const files = await matching(spec === undefined ? source : spec.glob, signal)
  if (files.length > 0) return { files }
  // A folder whose very name looks like one is that folder.
  return asFolder(source, noMatch(source, 'no file matches the pattern', 'Check the pattern; it is relative to the current folder.'), { signal, choose })
}

/** The folder in which `_SUCCESS` is looked for. */
const jobFolder = (source: string, { files, folder }: Expanded): string => {
  if (folder !== undefined) return folder
  if (files.length === 1 && files[0]!.url === source) return source.replace(/[^/\\]*$/, '')
  const spec = expandShardSpec(source)
  return spec === undefined && !isGlob(source) ? source : fixedPart(spec === undefined ? source : `${source.replace(/@[^@]*$/, '')}*`)
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
 * The files that a source names: a path or URL, a folder, a glob (`flights-*.json`), a shard specification (`train@4`, `train@*`), or a
 * list of these, in the order given and by name within a folder or a pattern.
 *
 * Of folders all data below them is read, as big-data tools leave it there: not `_SUCCESS`, `_temporary/…`, hidden names, checksums and
 * empty files. Folders `key=value` below the one that was asked for (of a pattern, below its fixed part) tell the partition of a file.
 * A pattern that no file matches stands for the folders that it matches.
 *
 * @throws `NotFound` for a file that is not there, for a pattern that nothing matches and a folder without data, for a shard that is
 * missing (MISSING_SHARD) and a job that has not ended (JOB_NOT_DONE, see `requireSuccess`)
 * @throws `Usage` for an empty list, and for what is not a string
 */
export const expandInputs = async (source: string | readonly string[], signal?: AbortSignal, options: ExpandOptions = {}): Promise<readonly InputFile[]> => {
  requireSource(source)
  const sources = typeof source === 'string' ? [source] : source
  if (sources.length === 0) throw failure({ tag: 'Usage', code: 'NO_INPUT', problem: 'the list of files is empty' })
  const files: InputFile[] = []
  for (const one of sources) {
    const expanded = await expandOne(one, signal, options.choose)
    if (options.requireSuccess === true) await requireSuccessIn(jobFolder(one, expanded), signal)
    files.push(...expanded.files)
  }
  return files
}
