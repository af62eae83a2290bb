import { readBytes, throwIfAborted, type FileInfo, type OpenContext, type OptionRules } from '@millrace/core'
import { fileBytes } from '../reading/file-bytes.js'
import { guessCompression, inflated, inflationRules, peek, type Compression, type InflationLimits } from '../compression/index.js'
import { FRAME_HEADER } from './frame.js'
import { TfRecordDecoder } from './tfrecord-decoder.js'

/** Options of every reader of TFRecords. */
export interface TfRecordReadOptions extends InflationLimits {
  /** How the files are packed. Default `auto`: by the first bytes of each file. */
  readonly compression?: Compression | 'auto' | undefined
  /** Longest record that is taken, in bytes. Default 256 MiB. */
  readonly maxRecordBytes?: number | undefined
}

export const recordReadRules: OptionRules<TfRecordReadOptions> = { ...inflationRules, compression: 'any', maxRecordBytes: 'any' }

/** Where a file is to be read from: an offset after decompression at which a record begins. */
export interface RecordOffset {
  readonly byte: number
  readonly record: number
}

/** Tells of bytes read from the files, for progress. */
export type BytesRead = (bytes: number) => void

async function* fileChunks(file: FileInfo, options: TfRecordReadOptions, from: RecordOffset, context: OpenContext, onBytes: BytesRead, onPlain: () => void): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal } = context
  const { url } = file
  const known = options.compression === undefined || options.compression === 'auto' ? undefined : options.compression
  const counted = (start: number): AsyncGenerator<Uint8Array, void, undefined> => fileBytes(file, { start, reuse: true, signal, onRead: onBytes })
  let compression = known
  if (compression === undefined && from.byte > 0) {
    // A read of the head alone, so that a file that is not packed can be entered in the middle.
    const head: number[] = []
    for await (const chunk of readBytes(url, { end: FRAME_HEADER, signal })) head.push(...chunk)
    compression = guessCompression(Uint8Array.from(head))
  }
  if (compression === 'none') {
    onPlain()
    yield* counted(from.byte)
    return
  }
  const { head, chunks } = await peek(counted(0), FRAME_HEADER)
  compression ??= guessCompression(head)
  if (compression === 'none') {
    onPlain()
    yield* chunks
    return
  }
  let skip = from.byte
  for await (const chunk of inflated(chunks, compression, url, { ...options, reuse: true, packedBytes: file.size })) {
    if (skip >= chunk.length) skip -= chunk.length
    else {
      yield skip === 0 ? chunk : chunk.subarray(skip)
      skip = 0
    }
  }
}

/**
 * Decodes one file: yields the decoder each time it has been given a chunk. Whoever takes it calls `next` until that says `false`.
 *
 * @throws `Corrupt` at the end of a file that was cut short
 */
export async function* recordChunks(
  file: FileInfo,
  options: TfRecordReadOptions,
  from: RecordOffset,
  context: OpenContext,
  onBytes: BytesRead,
): AsyncGenerator<TfRecordDecoder, void, undefined> {
  const decoder = new TfRecordDecoder({ source: file.url, maxRecordBytes: options.maxRecordBytes, ...from })
  for await (const chunk of fileChunks(file, options, from, context, onBytes, () => void (decoder.size = file.size))) {
    throwIfAborted(context.signal)
    decoder.push(chunk)
    yield decoder
  }
  decoder.finish()
}
