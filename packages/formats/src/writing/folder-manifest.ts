import { hasTag, isOurManifest, listFolder, readIfThere, type Schema } from '@millrace/core'
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

/**
 * Makes the text of a manifest of files, by their URLs, of their rows and bytes, and of those that are there by now where they are added to others.
 *
 * @throws `Schema` for files that do not fit those that are there
 */
export type MakeManifest = (counts: ReadonlyMap<string, { readonly rows: number; readonly bytes: number }>) => Promise<string>

/**
 * What makes the manifest of a folder. `undefined` where the format needs none, and for files that are added to others without one: it would
 * be half true.
 *
 * @throws `Schema` for files that do not fit those that are there, before they are written
 */
export const folderManifest = async (root: string, { manifest }: FileFormat, schema: Schema, adds: boolean, signal: AbortSignal | undefined): Promise<MakeManifest | undefined> => {
  if (manifest === undefined) return undefined
  const source = manifestOf(root)
  const before = adds ? await earlierManifest(root, signal) : undefined
  if (adds && before === undefined && (await listFolder(root, signal)).length > 0) return undefined
  manifest({ files: [], schema, earlier: before, source })
  return async (counts) => {
    const files = [...counts].map(([url, count]) => ({ file: url.slice(root.length + 1), ...count })).sort((a, b) => (a.file < b.file ? -1 : 1))
    // Another job may have added some since.
    return manifest({ files, schema, earlier: adds ? await earlierManifest(root, signal) : undefined, source })
  }
}
