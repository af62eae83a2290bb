import { inTurn } from './in-turn.js'
import { foldersOf } from './require-success.js'
import { groupedBy, requireCommitted, requireNotCommitting, requireOneFolder } from './set-manifest.js'
import type { FileInfo } from './storage.js'

/**
 * {@link requireCommitted} and {@link requireOneFolder} of all folders that the files of a pattern are in: one request for each, and for TFRecords
 * one more for each set.
 *
 * @param base - the fixed part of the pattern
 * @throws `Corrupt` SET_NOT_WHOLE, SET_MIXED
 */
export const requireWholeFolders = async (base: string, files: readonly FileInfo[], signal: AbortSignal | undefined): Promise<void> => {
  await requireCommitted(base, undefined, signal)
  await requireOneFolder(base, files, false, signal)
  const asked = new Set<string>(foldersOf(base))
  const inFolder = groupedBy(files, ({ url }) => url.replace(/[^/\\]*$/, ''))
  const folders = new Set([...inFolder.keys()].flatMap(foldersOf).filter((folder) => !asked.has(folder)))
  await inTurn([...folders], (folder) => requireNotCommitting(folder, signal))
  const sets = groupedBy([...inFolder], ([folder]) => foldersOf(folder).at(-1)!)
  await inTurn([...sets].filter(([root]) => !asked.has(root)), ([root, ofSet]) => requireOneFolder(root, ofSet.flatMap(([, found]) => found), false, signal))
}
