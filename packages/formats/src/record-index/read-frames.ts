import { failure, FileParts, fromUnknown, throwIfAborted } from '@millrace/core'
import { plainBytes } from '../example/plain-bytes.js'
import { crc32c, maskCrc32c } from '../tfrecord/crc32c.js'
import { FRAME_FOOTER, FRAME_HEADER, headerHolds, readWord } from '../tfrecord/frame.js'
import { damagedData } from '../tfrecord/tfrecord-decoder.js'
import type { IndexedFile } from './indexed-file.js'

/** Bytes between two frames that are read rather than asked around: a request costs more. */
const GAP_BYTES = 32 * 1024
/** Most bytes of one request. */
const REQUEST_BYTES = 4 * 1024 * 1024
/** Requests under way at once: round trips overlap. */
const REQUESTS = 8

/** A record that is wanted. */
export interface WantedFrame {
  readonly file: IndexedFile
  /** Index within the file. */
  readonly record: number
  /** Where the frame goes. */
  readonly to: number
}

interface Request {
  readonly file: IndexedFile
  readonly start: number
  end: number
  readonly frames: WantedFrame[]
}

/** Puts frames that are near each other into one request. */
const requestsFor = (wanted: readonly WantedFrame[]): readonly Request[] => {
  const requests: Request[] = []
  let last: Request | undefined
  const sorted = [...wanted].sort((a, b) => (a.file === b.file ? a.record - b.record : a.file.url < b.file.url ? -1 : 1))
  for (const frame of sorted) {
    const start = frame.file.starts[frame.record]!
    const end = frame.file.starts[frame.record + 1]!
    if (last?.file === frame.file && start - last.end <= GAP_BYTES && end - last.start <= REQUEST_BYTES) {
      last.end = Math.max(last.end, end)
      last.frames.push(frame)
    } else requests.push((last = { file: frame.file, start, end, frames: [frame] }))
  }
  return requests
}

/** Copies the frame of a request to its place, once it is certain that it is the record that the index means. */
const placeFrame = (bytes: Uint8Array, from: number, { file, record, to }: WantedFrame, out: Uint8Array): void => {
  const byte = file.starts[record]!
  const size = file.starts[record + 1]! - byte
  const position = { source: file.url, byte, record }
  const end = from + size - FRAME_FOOTER
  const isThere = from + size <= bytes.length && headerHolds(bytes, from) && readWord(bytes, from) === size - FRAME_HEADER - FRAME_FOOTER && readWord(bytes, from + 4) === 0
  if (!isThere) {
    throw failure({ tag: 'Corrupt', code: 'INDEX_STALE', problem: 'where the index has a record, the file has none', remedy: 'The file was changed after it was indexed: index it again.', position })
  }
  if (maskCrc32c(crc32c(bytes, from + FRAME_HEADER, end)) !== readWord(bytes, end)) throw damagedData(position)
  out.set(bytes.subarray(from, from + size), to)
}

/**
 * Reads frames from wherever they are into one buffer, those that are near each other at once. Both checksums of each are checked.
 *
 * @throws `Corrupt` INDEX_STALE, `BadRecord` TFRECORD_DATA_CRC, and what the storage throws
 */
export const readFrames = async (wanted: readonly WantedFrame[], out: Uint8Array, signal: AbortSignal | undefined): Promise<void> => {
  const requests = requestsFor(wanted)
  const files = new FileParts(signal)
  let next = 0
  const faults: unknown[] = []
  const work = async (): Promise<void> => {
    while (next < requests.length && faults.length === 0) {
      const { file, start, end, frames } = requests[next++]!
      throwIfAborted(signal)
      const bytes = plainBytes(await files.read(file.url, start, end))
      for (const frame of frames) placeFrame(bytes, file.starts[frame.record]! - start, frame, out)
    }
  }
  // The files are closed when the last of them is done.
  await Promise.all(Array.from({ length: Math.min(REQUESTS, requests.length) }, () => work().catch((error: unknown) => void faults.push(error))))
  await files.close()
  if (faults.length > 0) throw fromUnknown(faults[0])
}
