import picomatch from 'picomatch'
import { hasTag, isMillraceError, throwIfAborted } from '../../errors/index.js'
import type { FileInfo, FolderEntries } from '../storage.js'
import { badAnswer, parseStatus, type FileStatus } from './file-status.js'
import { parseHdfsUrl, urlAt, type HdfsPlace } from './hdfs-url.js'
import type { NameNodes } from './name-nodes.js'
import { nameMatcher } from '../name-matcher.js'

/** HDFS has no deeper paths (`MAX_PATH_DEPTH`), and nobody lists more folders at once: a server could go on for ever. */
const MOST_LEVELS = 1000
const MOST_FOLDERS = 1_000_000

type Fields = Readonly<Record<string, unknown>> | null | undefined

const statusesIn = (answer: unknown, shown: string): readonly FileStatus[] => {
  const list = ((answer as Fields)?.['FileStatuses'] as Fields)?.['FileStatus']
  if (!Array.isArray(list)) throw badAnswer(shown)
  return list.map((one: unknown) => parseStatus(one, shown))
}

/** Servers before Hadoop 3 know no pages. */
const isUnknownOperation = (error: unknown): boolean => isMillraceError(error) && (error.code === 'HDFS_ILLEGAL_ARGUMENT' || error.code === 'HDFS_UNSUPPORTED_OPERATION' || error.code === 'HDFS_STATUS_400')

/** Name nodes decode the name after which a page begins once too often (seen in Hadoop 3.4.1): such a page would leave out files. */
const survivesDecoding = (name: string): boolean => !/[%+]/.test(name)

/** What lies right in a folder: page after page, where the server knows them. */
async function* entriesOf(nodes: NameNodes, folder: HdfsPlace, signal: AbortSignal | undefined): AsyncGenerator<FileStatus, void, undefined> {
  const shown = urlAt(folder, folder.path)
  const operation = { method: 'GET', path: folder.path, shown, signal } as const
  const whole = async (): Promise<readonly FileStatus[]> => statusesIn(await nodes.json({ ...operation, op: 'LISTSTATUS' }), shown)
  const given = new Set<string>()
  for (let last: string | undefined; ; ) {
    let answer: unknown
    try {
      answer = await nodes.json({ ...operation, op: 'LISTSTATUS_BATCH', ...(last === undefined ? {} : { parameters: { startAfter: last } }) })
    } catch (error) {
      if (last !== undefined || !isUnknownOperation(error)) throw error
      yield* await whole()
      return
    }
    const listing = (answer as Fields)?.['DirectoryListing'] as Fields
    const page = statusesIn(listing?.['partialListing'], shown)
    // Pages that do not lead on would be asked for without end.
    if (page.some(({ name }) => given.has(name))) throw badAnswer(shown)
    yield* page
    if (!(Number(listing?.['remainingEntries']) > 0)) return
    last = page.at(-1)?.name
    if (last === undefined) throw badAnswer(shown)
    for (const { name } of page) given.add(name)
    if (survivesDecoding(last)) continue
    yield* (await whole()).filter(({ name }) => !given.has(name))
    return
  }
}

/**
 * The files that a glob matches, sorted as local ones are: by path, hidden ones (temporary outputs among them) only when the glob
 * names them. Folders that vanish while they are listed count as empty.
 */
export const listHdfs = async (nodes: NameNodes, glob: string, signal?: AbortSignal): Promise<readonly FileInfo[]> => {
  const { base, glob: rest } = picomatch.scan(glob)
  const place = parseHdfsUrl(base.replace(/\\(.)/g, '$1'))
  const matches = nameMatcher(rest)
  const depth = rest.includes('**') ? Infinity : rest.split('/').length
  const found: FileInfo[] = []
  let listed = 0
  const walk = async (path: string, prefix: string, level: number): Promise<void> => {
    throwIfAborted(signal)
    if (level > MOST_LEVELS || ++listed > MOST_FOLDERS) throw badAnswer(glob)
    const folders: string[] = []
    try {
      for await (const { name, isFolder, length, modified } of entriesOf(nodes, { ...place, path: path === '' ? '/' : path }, signal)) {
        // Of a file, HDFS lists the file itself, without a name.
        if (name === '') return
        if (isFolder) folders.push(name)
        else if (matches(`${prefix}${name}`)) found.push({ url: urlAt(place, `${path}/${name}`), size: length, version: String(modified) })
      }
    } catch (error) {
      if (hasTag(error, 'NotFound')) return
      throw error
    }
    if (level >= depth) return
    for (const name of folders) await walk(`${path}/${name}`, `${prefix}${name}/`, level + 1)
  }
  await walk(place.path.replace(/\/$/, ''), '', 1)
  return found.sort((a, b) => (a.url < b.url ? -1 : a.url > b.url ? 1 : 0))
}

/** What lies right in a folder; nothing where it is none. */
export const browseHdfs = async (nodes: NameNodes, place: HdfsPlace, signal?: AbortSignal): Promise<FolderEntries> => {
  const path = place.path.replace(/\/$/, '')
  const files: FileInfo[] = []
  const folders: string[] = []
  try {
    for await (const { name, isFolder, length, modified } of entriesOf(nodes, { ...place, path: path === '' ? '/' : path }, signal)) {
      if (name === '') break
      if (isFolder) folders.push(name)
      else files.push({ url: urlAt(place, `${path}/${name}`), size: length, version: String(modified) })
    }
  } catch (error) {
    if (!hasTag(error, 'NotFound')) throw error
  }
  return { files, folders }
}
