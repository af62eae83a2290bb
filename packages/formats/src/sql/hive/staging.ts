import { fileURLToPath, pathToFileURL } from 'node:url'
import { failure, listFolder, removeEmptyFolders, schemeOf, storageFor } from '@millrace/core'

/** A folder for files on their way into a table. */
export interface Staging {
  /** As we name it. */
  readonly folder: string
  /** As the server names it. */
  readonly onServer: string
}

/** Characters of a path in a statement: quotes end it, `$` and braces are replaced by some servers, others are wildcards in it. */
const plainPath = /^[^'"\\${}*?[\]\p{Cc}]+$/u

/** A path as Hadoop writes it, in which nothing is escaped. */
const hadoopUrl = (folder: string): string => `file://${decodeURIComponent(pathToFileURL(folder.startsWith('file:') ? fileURLToPath(folder) : folder).pathname)}`

/** Checks a folder. @throws `Usage` for one that is none, or that no statement can name */
export const requireStaging = (folder: string, onServer: string | undefined): Staging => {
  if (typeof folder !== 'string' || folder === '' || !(onServer === undefined || typeof onServer === 'string')) {
    throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: 'writeHive was given no staging folder', remedy: "Pass staging: 'hdfs://nn/tmp', or another folder on the warehouse's storage." })
  }
  if (storageFor(folder).create === undefined) {
    throw failure({ tag: 'Usage', code: 'READ_ONLY_STORAGE', problem: `${schemeOf(folder)} can only be read`, remedy: 'Give a folder that takes files, on the storage of the warehouse.', position: { source: folder } })
  }
  const trimmed = (text: string): string => text.replace(/(?<=[^/:])\/+$/, '')
  const seen = trimmed(onServer ?? (schemeOf(folder) === 'file' ? hadoopUrl(folder) : folder))
  if (plainPath.test(seen)) return { folder: trimmed(folder), onServer: seen }
  throw failure({
    tag: 'Usage', code: 'BAD_OPTION', problem: `the staging folder ${JSON.stringify(seen)} has a character that a statement cannot name`,
    remedy: 'Give one without quotes, backslashes, dollar signs, braces, brackets and wildcards.',
  })
}

/** Removes a folder of ours with what is left in it. @param files - that were written there, and may be gone */
export const removeStaging = async (root: string, files: readonly string[]): Promise<void> => {
  const { remove } = storageFor(root)
  const left = (await listFolder(root).catch(() => [])).map(({ url }) => url)
  for (const url of left) await remove?.(url).catch(() => undefined)
  await removeEmptyFolders(root, [`${root}/none`, ...files, ...left]).catch(() => undefined)
}
