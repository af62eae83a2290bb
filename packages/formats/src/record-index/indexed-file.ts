import { createHash } from 'node:crypto'
import { basename, join } from 'node:path'
import { failure, hasTag, readBytes, readWhole, storageFor, throwIfAborted, writeBytes, type FileInfo, type OptionRules } from '@millrace/core'
import { guessCompression } from '../compression/index.js'
import { fileBytes } from '../reading/file-bytes.js'
import { crc32c } from '../tfrecord/crc32c.js'
import { FRAME_HEADER } from '../tfrecord/frame.js'
import { MAX_RECORD_BYTES } from '../tfrecord/tfrecord-decoder.js'
import { FrameScanner } from './frame-scanner.js'
import { decodeIndex, encodeIndex, type FileIdentity } from './index-file.js'

/** Bytes at either end of a file that its fingerprint is made of. */
const FINGERPRINT_BYTES = 16 * 1024

/** How indexes are made and kept. */
export interface IndexOptions {
  /**
   * Where indexes are kept: `beside` each file as `.name.index` (where its storage can be written to), `none`, or a folder, for instance
   * a local one for files of a web server. An index that cannot be kept is made again next time. Default `beside`.
   */
  readonly keep?: 'beside' | 'none' | { readonly folder: string } | undefined
  /** Longest record that is taken, in bytes. Default 256 MiB. */
  readonly maxRecordBytes?: number | undefined
}

export const indexRules: OptionRules<IndexOptions> = { keep: 'any', maxRecordBytes: 'any' }

/** A file and where its records are. */
export interface IndexedFile {
  readonly url: string
  /** Where frame `r` begins; the last one is the size of the file. */
  readonly starts: Float64Array
}

/** Where the index of a file is kept. */
const indexUrl = (url: string, keep: IndexOptions['keep'] = 'beside'): string | undefined => {
  if (keep === 'none') return undefined
  if (keep !== 'beside') return join(keep.folder, `${basename(url.replace(/[?#].*$/, ''))}.${createHash('sha256').update(url).digest('hex').slice(0, 16)}.index`)
  return storageFor(url).create === undefined ? undefined : url.replace(/([^/\\]*)$/, '.$1.index')
}

const part = async (url: string, start: number, end: number, signal: AbortSignal | undefined): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  if (end > start) for await (const chunk of readBytes(url, { start, end, signal })) chunks.push(chunk)
  return chunks.length === 1 ? chunks[0]! : new Uint8Array(Buffer.concat(chunks))
}

/** What tells a file from one that took its place. @throws `Usage` INDEX_PACKED for a packed file */
const identify = async ({ url, size }: FileInfo, signal: AbortSignal | undefined): Promise<FileIdentity> => {
  if (size === undefined) {
    throw failure({ tag: 'Usage', code: 'INDEX_SIZE_UNKNOWN', problem: 'the storage does not tell how long the file is, so parts of it cannot be asked for', remedy: 'Copy it to a local file first.', position: { source: url } })
  }
  const head = await part(url, 0, Math.min(size, FINGERPRINT_BYTES), signal)
  const packed = guessCompression(head.subarray(0, FRAME_HEADER))
  if (packed !== 'none') {
    throw failure({
      tag: 'Usage', code: 'INDEX_PACKED', problem: `the file is packed with ${packed}, and nobody can begin in the middle of that`,
      remedy: "Write it with compression: 'none', or read it in order and shuffle() within windows.", position: { source: url },
    })
  }
  const tail = await part(url, Math.max(0, size - FINGERPRINT_BYTES), size, signal)
  return { size, fingerprint: crc32c(tail, 0, tail.length, crc32c(head)) }
}

const scan = async (file: FileInfo, maxRecordBytes: number, signal: AbortSignal | undefined, onRead: (bytes: number) => void): Promise<Float64Array> => {
  const scanner = new FrameScanner(file.url, maxRecordBytes)
  for await (const chunk of fileBytes(file, { reuse: true, signal, onRead })) {
    throwIfAborted(signal)
    scanner.push(chunk)
  }
  return scanner.finish()
}

/** An index that is kept, if it is there, whole, and of this very file. */
const kept = async (url: string, identity: FileIdentity, signal: AbortSignal | undefined): Promise<Float64Array | undefined> => {
  try {
    return decodeIndex(await readWhole(url, { signal }), identity)
  } catch (error) {
    if (hasTag(error, 'NotFound', 'Storage', 'Limit')) return undefined
    throw error
  }
}

/** The index of a file: the one that is kept, or a new one, made in one reading. */
export const indexFile = async (file: FileInfo, options: IndexOptions, signal: AbortSignal | undefined, onRead: (bytes: number) => void): Promise<IndexedFile> => {
  const { url } = file
  const { keep, maxRecordBytes = MAX_RECORD_BYTES } = options
  const identity = await identify(file, signal)
  const place = indexUrl(url, keep)
  const found = place === undefined ? undefined : await kept(place, identity, signal)
  if (found !== undefined) {
    onRead(identity.size)
    return { url, starts: found }
  }
  const starts = await scan(file, maxRecordBytes, signal, onRead)
  if (place !== undefined) {
    // An index that cannot be kept costs time only.
    await writeBytes(place, encodeIndex(identity, starts), { ifExists: 'replace', signal }).catch((error: unknown) => {
      if (!hasTag(error, 'Storage', 'NotFound')) throw error
    })
  }
  return { url, starts }
}
