import { failure, throwIfAborted, type FileInfo } from '@millrace/core'
import { bytesPast } from '../reading/byte-spans.js'
import { fileBytes, type FileBytesOptions } from '../reading/file-bytes.js'
import { splitterOf, type SplitterHandler } from './json-splitter.js'

/** Where the first record is looked for, and a part's. A file whose records stand further apart is read by one worker. */
const LOOK_BYTES = 256 * 1024
/** White space between two records, with the comma and brackets. */
const MOST_BETWEEN = 256
/** Places in a part that look like the end of a record, before it is left to what comes before it. */
const MOST_GUESSES = 64
/** Records that are to follow a place for it to be believed. */
const RECORDS_TO_SEE = 16

const ignoring: SplitterHandler = { record: () => undefined, corrupt: (problem) => failure({ tag: 'Corrupt', code: 'JSON_MALFORMED', problem }) }

const bytesOf = async (file: FileInfo, options: FileBytesOptions): Promise<Buffer> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of fileBytes(file, options)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/**
 * How the first record of an array begins, its bracket and first key: `{"id"`. `undefined` where that is not to be found within {@link LOOK_BYTES}.
 *
 * @param start - offset of the text, after a byte order mark
 */
export const firstKey = async (file: FileInfo, start: number, path: readonly string[] | undefined, signal: AbortSignal | undefined): Promise<string | undefined> => {
  const bytes = await bytesOf(file, { start, end: Math.min(start + LOOK_BYTES, file.size ?? Infinity), signal })
  let found: string | undefined
  const splitter = splitterOf('array', 0, false, {
    ...ignoring,
    record: (from, to) => {
      found ??= /^\{\s*("(?:[^"\\]|\\.)*")/.exec(bytes.subarray(from, to).toString('latin1'))?.[1]
      splitter.stop()
    },
  }, path)
  try {
    splitter.push(bytes, 0)
  } catch {
    // What is wrong with the file, its reader will tell.
  }
  return found
}

/**
 * Guesses where the first record ends that ends at `start` or later: before a comma and a record with the key that the first one begins with, and such that what
 * follows goes on as an array does. Lists of objects within records may look the same.
 */
export const recordEndAt = async (file: FileInfo, start: number, end: number, key: string, options: FileBytesOptions): Promise<number | undefined> => {
  const first = start - 1
  const bytes = await bytesOf(file, { ...options, start: first, end: Math.min(first + LOOK_BYTES, file.size ?? Infinity) })
  for (let at = bytes.indexOf(key, 0, 'latin1'), tries = 0; at >= 0 && tries < MOST_GUESSES; at = bytes.indexOf(key, at + 1, 'latin1')) {
    const between = /\}\s*,\s*\{\s*$/.exec(bytes.subarray(Math.max(0, at - MOST_BETWEEN), at).toString('latin1'))
    if (between === null) continue
    const place = at - between[0].length + 1
    if (first + place >= end) return undefined
    tries++
    if (goesOn(bytes.subarray(place))) return first + place
  }
  return undefined
}

/** Whether records follow one another: a list within a record ends before, and something else than the end of the file follows it. */
const goesOn = (bytes: Uint8Array): boolean => {
  let left = RECORDS_TO_SEE
  const splitter = splitterOf('array', 0, true, { ...ignoring, record: () => void (--left === 0 && splitter.stop()) })
  try {
    splitter.push(bytes, 0)
    return true
  } catch {
    return false
  }
}

/** Bytes after the end of a part, and whether they end with the record that reaches out of it. */
interface BytesBeyond {
  readonly bytes: Uint8Array
  readonly isLast: boolean
}

/**
 * The bytes from the end of a part to the end of the first record that ends there or later; all that are left, where the array has ended.
 *
 * @param from - where to look from: the end of a record, or with `isWithin` false the beginning of the text
 */
export async function* bytesBeyond(file: FileInfo, from: number, end: number, isWithin: boolean, path: readonly string[] | undefined, options: FileBytesOptions): AsyncGenerator<BytesBeyond, void, undefined> {
  let recordEnd: number | undefined
  const splitter = splitterOf('array', from, isWithin, {
    ...ignoring,
    record: (_, to) => {
      if (to < end) return
      recordEnd = to
      splitter.stop()
    },
  }, path)
  let isSound = true
  let at = from
  for await (const chunk of bytesPast(file, from, end, options)) {
    throwIfAborted(options.signal)
    try {
      if (isSound) splitter.push(chunk, at)
    } catch {
      // Who reads the bytes will tell what is wrong with them.
      isSound = false
    }
    const to = recordEnd ?? at + chunk.length
    if (to > end || recordEnd !== undefined) yield { bytes: chunk.subarray(Math.max(0, end - at), to - at), isLast: recordEnd !== undefined }
    if (recordEnd !== undefined) return
    at += chunk.length
  }
}
