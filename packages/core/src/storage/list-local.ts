import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import picomatch from 'picomatch'
import { failure, fromUnknown, throwIfAborted } from '../errors/index.js'
import type { FileInfo } from './storage.js'
import { nameMatcher } from './name-matcher.js'

/** True when a name has glob characters. */
export const isGlob = (name: string): boolean => picomatch.scan(name).isGlob

/**
 * The local files that a glob matches, sorted by path, byte by byte. Hidden files (temporary outputs among them) only when
 * the glob names them; symbolic links to files are followed, to folders not.
 *
 * @throws `NotFound` DANGLING_LINK for a link that leads nowhere
 */
export const listLocal = async (glob: string, signal?: AbortSignal): Promise<readonly FileInfo[]> => {
  const pattern = glob.startsWith('file:') ? fileURLToPath(glob) : glob
  const { base, glob: rest } = picomatch.scan(pattern)
  return walkLocal(base, nameMatcher(rest), rest.includes('**') ? Infinity : rest.split('/').length, signal)
}

/** All local files below a folder, whatever characters are in its name; but for hidden ones, sorted as {@link listLocal} does. */
export const listLocalBelow = (folder: string, signal?: AbortSignal): Promise<readonly FileInfo[]> =>
  walkLocal(folder.startsWith('file:') ? fileURLToPath(folder) : folder, nameMatcher('**'), Infinity, signal)

/** A file that has gone by now is not missed; a link that leads nowhere stands for data that somebody put there. */
const leadsNowhere = (source: string): Error => failure({ tag: 'NotFound', code: 'DANGLING_LINK', problem: 'the symbolic link leads to no file', remedy: 'Put the file there, or remove the link.', position: { source } })

const walkLocal = async (base: string, matches: (name: string) => boolean, depth: number, signal: AbortSignal | undefined): Promise<readonly FileInfo[]> => {
  const found: FileInfo[] = []
  const walk = async (folder: string, prefix: string, level: number): Promise<void> => {
    throwIfAborted(signal)
    let entries
    try {
      entries = await readdir(folder === '' ? '.' : folder, { withFileTypes: true })
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      if (code === 'ENOENT' || code === 'ENOTDIR') return
      throw fromUnknown(error, { source: folder })
    }
    for (const entry of entries) {
      const name = `${prefix}${entry.name}`
      const path = join(folder, entry.name)
      if (entry.isDirectory()) {
        if (level < depth) await walk(path, `${name}/`, level + 1)
      } else if (matches(name)) {
        const info = await stat(path).catch(() => undefined)
        if (info?.isFile() === true) found.push({ url: path, size: info.size })
        else if (info === undefined && entry.isSymbolicLink()) throw leadsNowhere(path)
      }
    }
  }
  await walk(base, '', 1)
  return found.sort((a, b) => (a.url < b.url ? -1 : a.url > b.url ? 1 : 0))
}
