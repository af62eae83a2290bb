import { failure } from '../../errors/index.js'
import { urlAt, type HdfsPlace } from './hdfs-url.js'
import type { NameNodes } from './name-nodes.js'

/** What HDFS says of a file or folder. */
export interface FileStatus {
  /** Of a listed one its name in the folder; else empty. */
  readonly name: string
  readonly isFolder: boolean
  /** Bytes. */
  readonly length: number
  /** Milliseconds since 1970. */
  readonly modified: number
  /** Never given to another file of the file system; 0 where a gateway does not tell. */
  readonly id: number
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

export const badAnswer = (source: string): Error =>
  failure({ tag: 'Storage', code: 'HDFS_BAD_ANSWER', problem: 'the name node answered with something else than was asked for', remedy: 'Check that this is the web port of a name node.', position: { source } })

/** A `FileStatus` of WebHDFS. @throws `Storage` HDFS_BAD_ANSWER */
export const parseStatus = (value: unknown, shown: string): FileStatus => {
  const { pathSuffix, type, length, modificationTime, fileId } = (value ?? {}) as Record<string, unknown>
  if (typeof pathSuffix !== 'string' || typeof type !== 'string' || !isCount(length) || !isCount(modificationTime)) throw badAnswer(shown)
  // A name that is none would lead out of the folder.
  if (pathSuffix.includes('/') || pathSuffix === '.' || pathSuffix === '..') throw badAnswer(shown)
  return { name: pathSuffix, isFolder: type === 'DIRECTORY', length, modified: modificationTime, id: isCount(fileId) ? fileId : 0 }
}

/** The status of one file or folder. @throws `NotFound` HDFS_FILE_NOT_FOUND */
export const statusOf = async (nodes: NameNodes, place: HdfsPlace, signal?: AbortSignal): Promise<FileStatus> => {
  const shown = urlAt(place, place.path)
  const answer = await nodes.json({ method: 'GET', op: 'GETFILESTATUS', path: place.path, shown, signal })
  return parseStatus((answer as { readonly FileStatus?: unknown } | null | undefined)?.FileStatus, shown)
}
