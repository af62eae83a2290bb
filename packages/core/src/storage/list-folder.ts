import { dirname } from 'node:path'
import { listLocalBelow } from './list-local.js'
import { localPath } from './local-storage.js'
import { storageFor } from './registry.js'
import type { FileInfo } from './storage.js'

/** A folder as the beginning of a glob that means it alone. */
const literal = (folder: string): string => {
  const [root] = /^[a-z][\w+.-]*:\/\/[^/]*/i.exec(folder) ?? ['']
  return root + folder.slice(root.length).replace(/[\\*?[\]{}()!+@|^$]/g, '\\$&')
}

/** All files below a folder, but for hidden ones; none where the storage cannot list. */
export const listFolder = async (folder: string, signal?: AbortSignal): Promise<readonly FileInfo[]> => {
  const storage = storageFor(folder)
  if (storage.scheme === 'file') return listLocalBelow(folder, signal)
  return (await storage.list?.(`${literal(folder.replace(/\/+$/, ''))}/**`, signal)) ?? []
}

const parentOf = (path: string, scheme: string): string => (scheme === 'file' ? dirname(path) : path.slice(0, Math.max(0, path.lastIndexOf('/'))))

/** Removes the folders of files, and those above them up to `root`, which have nothing in them. Object stores have no folders. */
export const removeEmptyFolders = async (root: string, urls: readonly string[]): Promise<void> => {
  const storage = storageFor(root)
  if (storage.removeEmptyFolder === undefined) return
  const { scheme } = storage
  const pathOf = (url: string): string => (scheme === 'file' ? localPath(url) : url)
  const top = pathOf(root).replace(/(?<=[^/\\])[/\\]+$/, '')
  const folders = new Set<string>()
  for (const url of urls) for (let folder = parentOf(pathOf(url), scheme); folder.startsWith(top) && !folders.has(folder); folder = parentOf(folder, scheme)) folders.add(folder)
  // The deepest first.
  for (const folder of [...folders].sort((a, b) => b.length - a.length)) await storage.removeEmptyFolder(folder)
}
