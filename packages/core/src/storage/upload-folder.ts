import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import { fromUnknown, throwIfAborted } from '../errors/index.js'
import { alreadyExists } from './local-storage.js'
import { withOutputSet } from './output-set.js'
import { readBytes, schemeOf, storageFor } from './registry.js'
import { requireReplaceable } from './replaceable-folder.js'
import type { WriteFolderOptions } from './write-folder.js'

/** Whether folders can be written to the storage of a URL, which is not this machine's. */
export const isFolderStorage = (url: string): boolean => {
  if (schemeOf(url) === 'file') return false
  const { create, list } = storageFor(url)
  return create !== undefined && list !== undefined
}

/** A glob that matches a name and nothing else. */
const literally = (name: string): string => name.replace(/[\\*?[\]{}()!+@|]/g, '\\$&')

/** All files of a folder of this machine, relative, with slashes. */
const filesBelow = async (folder: string): Promise<readonly string[]> => {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/')).sort()
}

/** The names right below a folder. */
const namesIn = (base: string, urls: readonly string[]): readonly string[] => [...new Set(urls.map((url) => url.slice(base.length + 1).split('/')[0]!))]

/** {@link writeFolder} for storages that are not this machine's. */
export const uploadFolder = async (url: string, options: WriteFolderOptions, write: (folder: string) => Promise<void>): Promise<void> => {
  const { ifExists = 'fail', isReplaceable, last, signal } = options
  const base = url.replace(/\/+$/, '')
  const everything = `${literally(base)}/**`
  const there = await storageFor(base).list!(everything, signal)
  if (ifExists === 'fail' && there.length > 0) throw alreadyExists(url)
  if (isReplaceable !== undefined) requireReplaceable(namesIn(base, there.map((file) => file.url)), isReplaceable, url)
  const folder = await mkdtemp(join(tmpdir(), 'millrace-folder-'))
  try {
    await write(folder)
    throwIfAborted(signal)
    const names = [...(await filesBelow(folder))].sort((a, b) => Number(a === last) - Number(b === last))
    await withOutputSet(names.map((name) => `${base}/${name}`), { ifExists, signal, stale: everything, markers: last === undefined || ifExists === 'fail' ? [] : [{ url: `${base}/${last}` }] }, async (outputs) => {
      for (const [index, output] of outputs.entries()) {
        for await (const chunk of readBytes(join(folder, names[index]!), { reuse: true, signal })) await output.write(chunk)
        // What is sent frees its memory.
        await output.close()
      }
    })
  } catch (error) {
    throw fromUnknown(error, { source: url })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
