import { countIn, type FileInfo } from '@millrace/core'
import { fileBytes, type FileBytesOptions } from './file-bytes.js'
import type { FileSpans, FileTask } from './read-files.js'

/** The record that reaches out of a part of a file mostly ends within this. */
const BEYOND = 64 * 1024

/** Parts of a file of so many bytes each, at the same places wherever the reading begins. @param first - where the records begin, a header included */
export const byteSpans = ({ file, resume }: FileTask, splitBytes: number, first = 0): FileSpans => {
  const size = file.size ?? 0
  const bounds: { start: number; end: number }[] = []
  for (let start = resume === undefined ? first : countIn(resume, 'byte'); start < size; start = bounds[bounds.length - 1]!.end) {
    bounds.push({ start, end: Math.min(size, (Math.floor(start / splitBytes) + 1) * splitBytes) })
  }
  return { bounds, areGuesses: true }
}

/** The bytes from `start` on, for a reader that leaves soon after `end`. */
export async function* bytesPast(file: FileInfo, start: number, end: number, options: Omit<FileBytesOptions, 'start' | 'end'>): AsyncGenerator<Uint8Array, void, undefined> {
  const near = Math.min(end + BEYOND, file.size ?? Infinity)
  if (start < near) yield* fileBytes(file, { ...options, start, end: near })
  if (near < (file.size ?? Infinity)) yield* fileBytes(file, { ...options, start: Math.max(start, near) })
}
