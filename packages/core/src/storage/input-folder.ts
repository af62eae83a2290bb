import { normalize } from 'node:path'
import picomatch from 'picomatch'
import { localPath } from './local-storage.js'
import { parsePartition, type PartitionValues } from './partition-path.js'
import { schemeOf } from './registry.js'
import type { FileInfo } from './storage.js'
import { nameMatcher } from './name-matcher.js'

/** A file that a source names. */
export interface InputFile extends FileInfo {
  /** What the folders `key=value` say that lie between the file and the folder (or the fixed part of the pattern) that was asked for. */
  readonly partition?: PartitionValues | undefined
}

/**
 * Names that big-data tools do not take for data: those of jobs (`_SUCCESS`, `_committed_…`, `_temporary/…`), hidden ones, checksums
 * (`.part-0.crc`), files that HDFS still copies, what stands for a folder in object stores (`day=1_$folder$`). A folder `_day=1` is a
 * partition, as in Spark.
 */
export const isAside = (name: string): boolean => name.startsWith('.') || (name.startsWith('_') && !name.includes('=')) || /\.crc$|\._COPYING_$|_\$folder\$$/.test(name)

const separator = (scheme: string): RegExp => (scheme === 'file' && process.platform === 'win32' ? /[\\/]/ : /\//)

/** The path below a folder in segments; of a file that the storage names otherwise, its name alone. */
export const below = (folder: string, url: string): readonly string[] => {
  const scheme = schemeOf(url)
  const base = scheme === 'file' && folder !== '' ? normalize(localPath(folder)) : folder
  const path = scheme === 'file' ? localPath(url) : url
  const segments = (path.startsWith(base) ? path.slice(base.length) : path).split(separator(scheme)).filter((segment) => segment !== '')
  return path.startsWith(base) ? segments : segments.slice(-1)
}

const withPartition = (file: FileInfo, segments: readonly string[]): InputFile => {
  const partition = parsePartition(segments.slice(0, -1))
  return partition === undefined ? file : { ...file, partition }
}

/** Files with something in them: big-data jobs write one without for a part without rows, which formats with a header or a footer cannot read. */
export const withBytes = (files: readonly InputFile[]): readonly InputFile[] => files.filter(({ size }) => size !== 0)

/** The data among all files below a folder, in the order given. */
export const folderData = (folder: string, files: readonly FileInfo[]): readonly InputFile[] =>
  files.flatMap((file) => {
    const segments = below(folder, file.url)
    return segments.some(isAside) ? [] : [withPartition(file, segments)]
  })

/** The part of a glob before its first wildcard. */
export const fixedPart = (glob: string): string => picomatch.scan(glob).base

/** Whether a name of a storage matches a glob. */
export const globMatcher = (glob: string): ((url: string) => boolean) => {
  const { base, glob: rest } = picomatch.scan(glob)
  const matches = nameMatcher(rest)
  return (url) => matches(below(base, url).join('/'))
}

/** The data among the files that a glob matches: names set aside count only where the glob's last part begins as they do. */
export const globData = (glob: string, files: readonly FileInfo[]): readonly InputFile[] => {
  const named = /^[._]/.exec(glob.slice(glob.lastIndexOf('/') + 1))?.[0]
  const base = fixedPart(glob)
  return files.flatMap((file) => {
    const segments = below(base, file.url)
    const name = segments.at(-1) ?? ''
    const isData = !segments.slice(0, -1).some(isAside) && (!isAside(name) || (named !== undefined && name.startsWith(named)))
    return isData ? [withPartition(file, segments)] : []
  })
}
