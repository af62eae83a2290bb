import { rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { listLocalBelow } from './list-local.js'
import { localPath } from './local-storage.js'
import { schemeOf, storageFor } from './registry.js'
import type { FileInfo } from './storage.js'

/** All files below a folder, but for hidden ones; none where the storage cannot list. */
export const listFolder = async (folder: string, signal?: AbortSignal): Promise<readonly FileInfo[]> => {
  const storage = storageFor(folder)
  if (storage.scheme === 'file') return listLocalBelow(folder, signal)
  return (await storage.list?.(`${folder.replace(/\/+$/, '')}/**`, signal)) ?? []
}

/** Removes the folders of files, and those above them up to `root`, which have nothing in them. Object stores have no folders. */
export const removeEmptyFolders = async (root: string, urls: readonly string[]): Promise<void> => {
  if (schemeOf(root) !== 'file') return
  const top = localPath(root).replace(/(?<=[^/\\])[/\\]+$/, '')
  const folders = new Set<string>()
  for (const url of urls) for (let folder = dirname(localPath(url)); folder.startsWith(top) && !folders.has(folder); folder = dirname(folder)) folders.add(folder)
  // The deepest first.
  for (const folder of [...folders].sort((a, b) => b.length - a.length)) await rmdir(folder).catch(() => undefined)
}
