import { countIn, readBytes, throwIfAborted } from '@millrace/core'
import { guessCompression } from '../compression/index.js'
import { byteSpans, bytesPast } from '../reading/byte-spans.js'
import type { FileSpan, FileSpans, FileTask } from '../reading/read-files.js'
import { FRAME_HEADER, headerHolds, readWord } from './frame.js'
import type { TfRecordReadOptions } from './record-source.js'
import { TfRecordDecoder } from './tfrecord-decoder.js'

/** The parts of a file of TFRecords; of one that is packed there are none. */
export const recordSpans = async (task: FileTask, splitBytes: number, { compression }: TfRecordReadOptions): Promise<FileSpans | undefined> => {
  if (compression === undefined || compression === 'auto') {
    const head: number[] = []
    for await (const chunk of readBytes(task.file.url, { end: FRAME_HEADER, signal: task.context.signal })) head.push(...chunk)
    if (guessCompression(Uint8Array.from(head)) !== 'none') return undefined
  } else if (compression !== 'none') return undefined
  return byteSpans(task, splitBytes)
}

/** Offset in `bytes` of the first header, or of what looks like one: of other bytes, one in 2^32 does. */
const findHeader = (bytes: Uint8Array, end: number): number | undefined => {
  for (let at = 0; at < end && at + FRAME_HEADER <= bytes.length; at++) if (readWord(bytes, at + 4) === 0 && headerHolds(bytes, at)) return at
  return undefined
}

/**
 * As `recordChunks`, for the records that begin in a part of a file that is not packed. Where the first of them begins is told by the place to
 * resume from, or is where the first header holds.
 *
 * @throws `Corrupt` at the end of a file that was cut short
 */
export async function* spanChunks({ file, resume, context, onRead }: FileTask, { maxRecordBytes }: TfRecordReadOptions, { start, end, found }: FileSpan): AsyncGenerator<TfRecordDecoder, void, undefined> {
  const { signal } = context
  const begin = (byte: number, record: number): TfRecordDecoder => {
    found(byte)
    return new TfRecordDecoder({ source: file.url, maxRecordBytes, byte, record, size: file.size })
  }
  const from = resume === undefined ? start : countIn(resume, 'byte')
  let decoder = resume !== undefined || start === 0 ? begin(from, resume === undefined ? 0 : countIn(resume, 'record')) : undefined
  let at = from
  let tail: Uint8Array = new Uint8Array(0)
  for await (const chunk of bytesPast(file, from, end, { reuse: true, signal, onRead })) {
    throwIfAborted(signal)
    let rest: Uint8Array = chunk
    if (decoder === undefined) {
      rest = tail.length === 0 ? chunk : Buffer.concat([tail, chunk])
      const first = at - tail.length
      const header = findHeader(rest, end - first)
      const passed = header ?? Math.max(0, rest.length - FRAME_HEADER + 1)
      at = first + passed
      if (header === undefined) {
        if (at >= end) break
        tail = rest.slice(passed)
        at += tail.length
        continue
      }
      rest = rest.subarray(passed)
      decoder = begin(at, 0)
    }
    while (rest.length > 0) {
      const wanted = at < end ? end - at : decoder.lacking
      if (wanted === 0) return
      const piece = rest.subarray(0, wanted)
      decoder.push(piece)
      yield decoder
      rest = rest.subarray(piece.length)
      at += piece.length
    }
    if (at >= end && decoder.lacking === 0) return
  }
  if (decoder === undefined) found(undefined)
  else decoder.finish()
}
