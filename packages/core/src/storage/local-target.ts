import { lstat, realpath, stat } from 'node:fs/promises'
import { failure } from '../errors/index.js'

/** The file of this machine that an output is to become. */
export interface LocalTarget {
  /** Where a symbolic link leads: it is not the link that is replaced. */
  readonly path: string
  /** Who may do what with the file that is there. `undefined` where none is. */
  readonly mode: number | undefined
}

const PERMISSIONS = 0o777

/**
 * What a file is to take the place of.
 *
 * @throws `Usage` NO_FILE_NAME for a path that names none; `AlreadyExists` OUTPUT_IS_FOLDER for a folder, since replacing it would take away all that is in it; NOT_A_FILE for devices, pipes,
 *   sockets, and links that lead nowhere, which a file in their place would break
 */
export const localTarget = async (path: string, url: string): Promise<LocalTarget> => {
  if (/(^|[/\\])$/.test(path)) {
    throw failure({ tag: 'Usage', code: 'NO_FILE_NAME', problem: 'the path of the output ends without the name of a file', remedy: 'Name the file, or pass partitionBy: [] to write a folder.', position: { source: url } })
  }
  const named = await lstat(path).catch(() => undefined)
  if (named === undefined) return { path, mode: undefined }
  const found = named.isSymbolicLink() ? await stat(path).catch(() => undefined) : named
  if (found?.isFile() === true) return { path: named.isSymbolicLink() ? await realpath(path) : path, mode: found.mode & PERMISSIONS }
  if (found?.isDirectory() === true) {
    throw failure({ tag: 'AlreadyExists', code: 'OUTPUT_IS_FOLDER', problem: 'a folder has the name of the file to write', remedy: 'Write under another name: a file takes the place of files only.', position: { source: url } })
  }
  throw failure({
    tag: 'AlreadyExists', code: 'NOT_A_FILE', problem: found === undefined ? 'the name is that of a symbolic link that leads nowhere' : 'the name is that of a device, a pipe or a socket',
    remedy: 'Write under another name: a file takes the place of files only.', position: { source: url },
  })
}
