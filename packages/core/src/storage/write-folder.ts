import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { failure, fromUnknown, throwIfAborted } from '../errors/index.js'
import { alreadyExists, localPath, temporaryName } from './local-storage.js'
import { schemeOf } from './registry.js'
import type { IfExists } from './storage.js'

/** Options of {@link writeFolder}. */
export interface WriteFolderOptions {
  /** Default `fail`. `replace` takes the place of the whole folder, whatever it held. */
  readonly ifExists?: IfExists | undefined
  readonly signal?: AbortSignal | undefined
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/**
 * Writes a folder that appears whole or not at all: `write` fills a temporary sibling, which then takes the name. TensorFlow
 * Serving, which watches for new version folders, never sees half a model.
 *
 * @param write - is given the path of the temporary folder
 */
export const writeFolder = async (url: string, options: WriteFolderOptions, write: (folder: string) => Promise<void>): Promise<void> => {
  const { ifExists = 'fail', signal } = options
  if (schemeOf(url) !== 'file') {
    throw failure({ tag: 'Usage', code: 'LOCAL_FOLDER_ONLY', problem: 'folders can be written to this machine only, so far', remedy: 'Write it to a local path and copy it.', position: { source: url } })
  }
  const path = localPath(url).replace(/\/+$/, '')
  const temporary = temporaryName(path)
  try {
    throwIfAborted(signal)
    if (ifExists === 'fail' && (await isThere(path))) throw alreadyExists(url)
    await mkdir(dirname(path), { recursive: true })
    await mkdir(temporary)
    await write(temporary)
    throwIfAborted(signal)
    await takeName(temporary, path, ifExists, url)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined)
    throw fromUnknown(error, { source: url })
  }
}

const takeName = async (temporary: string, path: string, ifExists: IfExists, url: string): Promise<void> => {
  if (!(await isThere(path))) return rename(temporary, path)
  if (ifExists === 'fail') throw alreadyExists(url)
  const backup = temporaryName(path)
  await rename(path, backup)
  try {
    await rename(temporary, path)
  } catch (error) {
    await rename(backup, path)
    throw error
  }
  await rm(backup, { recursive: true, force: true })
}
