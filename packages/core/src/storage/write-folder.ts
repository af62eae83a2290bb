import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { failure, fromUnknown, requireOneOf, requireOptions, throwIfAborted, type OptionRules } from '../errors/index.js'
import { asideName, removeLeftovers, temporaryName } from './leftovers.js'
import { alreadyExists, localPath } from './local-storage.js'
import { schemeOf } from './registry.js'
import { requireReplaceable } from './replaceable-folder.js'
import type { IfExists } from './storage.js'
import { isFolderStorage, uploadFolder } from './upload-folder.js'

/** Options of {@link writeFolder}. */
export interface WriteFolderOptions {
  /** Default `fail`. `replace` takes the place of the whole folder. */
  readonly ifExists?: IfExists | undefined
  /**
   * Tells by its files whether a folder is one of those that are written here: with `replace`, no other folder is replaced,
   * unless it is empty. Default: any may be.
   */
  readonly isReplaceable?: ((names: readonly string[]) => boolean) | undefined
  /** The file by whose presence readers know the folder for whole: in storages without folders it appears after all others. */
  readonly last?: string | undefined
  readonly signal?: AbortSignal | undefined
}

const rules: OptionRules<WriteFolderOptions> = { ifExists: 'any', isReplaceable: 'any', last: 'text', signal: 'any' }

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/**
 * Writes a folder that appears whole or not at all: `write` fills a temporary sibling, which then takes the name. TensorFlow
 * Serving, which watches for new version folders, never sees half a model.
 *
 * Object stores have no folders and no renames: there, `write` fills a folder of this machine, all its files are sent, and only then do
 * they appear, one right after the other, the one named by `last` at the end.
 *
 * @param write - is given the path of the temporary folder, always one of this machine
 * @throws `AlreadyExists`, and `Usage` LOCAL_FOLDER_ONLY for a storage that can only be read, or not be listed
 */
export const writeFolder = async (url: string, options: WriteFolderOptions, write: (folder: string) => Promise<void>): Promise<void> => {
  requireOptions('writeFolder', options, rules)
  const { ifExists = 'fail', isReplaceable, signal } = options
  requireOneOf('ifExists', ifExists, ['fail', 'replace'])
  if (isFolderStorage(url)) return uploadFolder(url, options, write)
  if (schemeOf(url) !== 'file') {
    throw failure({ tag: 'Usage', code: 'LOCAL_FOLDER_ONLY', problem: `no folders can be written to "${schemeOf(url)}:" URLs`, remedy: 'Write it to a local path and copy it.', position: { source: url } })
  }
  const path = localPath(url).replace(/\/+$/, '')
  const temporary = temporaryName(path)
  try {
    throwIfAborted(signal)
    if (ifExists === 'fail' && (await isThere(path))) throw alreadyExists(url)
    if (isReplaceable !== undefined) requireReplaceable(await readdir(path).catch(() => []), isReplaceable, url)
    await mkdir(dirname(path), { recursive: true })
    await removeLeftovers(dirname(path))
    await mkdir(temporary)
    await write(temporary)
    throwIfAborted(signal)
    await takeName(temporary, path, ifExists, url)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined)
    throw fromUnknown(error, { source: url })
  }
}

/** The name is another folder's that is not empty, or a file's. */
const isTaken = (error: unknown): boolean => ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')

/** Writers of one folder may meet; each time one of them gets its turn, so this many of them do. */
const MAX_TURNS = 100

const takeName = async (temporary: string, path: string, ifExists: IfExists, url: string): Promise<void> => {
  for (let turn = 1; ; turn++) {
    const backup = await setFolderAside(path, ifExists, url)
    try {
      await rename(temporary, path)
      if (backup !== undefined) await rm(backup, { recursive: true, force: true })
      return
    } catch (error) {
      if (isTaken(error) && ifExists === 'fail') throw alreadyExists(url)
      // Another writer has taken the name in between, and with it the place of what was set aside.
      if (backup !== undefined) await (isTaken(error) ? rm(backup, { recursive: true, force: true }) : rename(backup, path))
      if (!isTaken(error) || turn === MAX_TURNS) throw error
    }
  }
}

/** Moves a folder that is to be replaced to another name, which it gives. */
const setFolderAside = async (path: string, ifExists: IfExists, url: string): Promise<string | undefined> => {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return undefined
  if (ifExists === 'fail') throw alreadyExists(url)
  if (!found.isDirectory()) {
    throw failure({ tag: 'AlreadyExists', code: 'OUTPUT_IS_FILE', problem: 'a file has the name of the folder to write', remedy: 'Remove it, or write under another name: a folder takes the place of folders only.', position: { source: url } })
  }
  const backup = asideName(path)
  try {
    await rename(path, backup)
    return backup
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
