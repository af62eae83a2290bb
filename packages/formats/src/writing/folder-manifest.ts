import { hasTag, listFolder, readWhole, type Schema } from '@millrace/core'
import type { FileFormat } from './file-writer.js'

/** A manifest of a million files has 100 MB. */
const MAX_MANIFEST_BYTES = 2 ** 28

/** Where the manifest of a folder is: hidden, so that no reader takes it for data. */
export const manifestOf = (root: string): string => `${root}/.manifest.json`

/** The text of the manifest of a folder, where it has one. */
const earlierManifest = async (root: string, signal: AbortSignal | undefined): Promise<string | undefined> => {
  try {
    return Buffer.from(await readWhole(manifestOf(root), { limitBytes: MAX_MANIFEST_BYTES, signal })).toString('utf8')
  } catch (error) {
    if (hasTag(error, 'NotFound')) return undefined
    throw error
  }
}

/** Makes the text of a manifest of files, by their URLs, of their rows and bytes. @throws `Schema` for files that do not fit those that are there */
export type MakeManifest = (counts: ReadonlyMap<string, { readonly rows: number; readonly bytes: number }>, schema: Schema) => string

/**
 * What makes the manifest of a folder, with what is there already where files are added to it. `undefined` where the format needs none, and
 * for files that are added to others without one: it would be half true.
 */
export const folderManifest = async (root: string, { manifest }: FileFormat, adds: boolean, signal: AbortSignal | undefined): Promise<MakeManifest | undefined> => {
  if (manifest === undefined) return undefined
  const earlier = adds ? await earlierManifest(root, signal) : undefined
  if (adds && earlier === undefined && (await listFolder(root, signal)).length > 0) return undefined
  return (counts, schema) => {
    const files = [...counts].map(([url, count]) => ({ file: url.slice(root.length + 1), ...count })).sort((a, b) => (a.file < b.file ? -1 : 1))
    return manifest({ files, schema, earlier, source: manifestOf(root) })
  }
}
