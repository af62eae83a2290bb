import { committingName, hasTag, isOurManifest, listFolder, readIfThere, type Schema } from '@millrace/core'
import type { FileFormat } from './file-writer.js'

/** Where the manifest of a folder is: hidden, so that no reader takes it for data. */
export const manifestOf = (root: string): string => `${root}/.manifest.json`

/** The text of the manifest of a folder, where it has one. */
const earlierManifest = async (root: string, signal: AbortSignal | undefined): Promise<string | undefined> => {
  const bytes = await readIfThere(manifestOf(root), { signal })
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8')
}

/** Whether something has the name of the manifest of a folder that is none of ours, or too large to tell. */
export const hasForeignManifest = async (root: string, signal: AbortSignal | undefined): Promise<boolean> => {
  try {
    const bytes = await readIfThere(manifestOf(root), { signal })
    return bytes !== undefined && !isOurManifest(bytes)
  } catch (error) {
    if (hasTag(error, 'Limit')) return true
    throw error
  }
}

/** Of a folder's files, all but what says that one of our jobs gives them their names. */
export const filesIn = async (root: string, signal: AbortSignal | undefined): Promise<readonly string[]> =>
  (await listFolder(root, signal)).map(({ url }) => url).filter((url) => !url.endsWith(committingName('')))

/** What becomes of a folder. */
export interface FolderContents {
  readonly root: string
  readonly format: FileFormat
  /** Of the files. */
  readonly schema: Schema
  /** Whether files are added to others. */
  readonly adds: boolean
  readonly signal: AbortSignal | undefined
}

/**
 * The text of the manifest of a folder as it is now, with more files in it. `undefined` where the format needs none, and for files that are added to
 * others without one: it would be half true.
 *
 * @param counts - rows and bytes of the files, by their URLs
 * @throws `Schema` for files that do not fit those that are there
 */
export const folderManifest = async ({ root, format: { manifest }, schema, adds, signal }: FolderContents, counts: ReadonlyMap<string, { readonly rows: number; readonly bytes: number }>): Promise<string | undefined> => {
  if (manifest === undefined) return undefined
  const earlier = adds ? await earlierManifest(root, signal) : undefined
  if (adds && earlier === undefined && (await filesIn(root, signal)).length > 0) return undefined
  const files = [...counts].map(([url, count]) => ({ file: url.slice(root.length + 1), ...count })).sort((a, b) => (a.file < b.file ? -1 : 1))
  return manifest({ files, schema, earlier, source: manifestOf(root) })
}
