import { failure, readBytes, requireCount, type FileInfo, type OptionRules } from '@millrace/core'
import { BINARY_HEAD_BYTES, notText } from './binary-files.js'
import { fileBytes } from './file-bytes.js'
import {
  compressionOfName, guessTextCompression, inflated, inflationRules, MAX_TEXT_INFLATION, requireTextCompression, type InflationLimits, type TextCompression,
} from '../compression/index.js'

/** Text as UTF-8 bytes from some offset on. */
export interface Utf8Text {
  /** Offset of the first byte of `chunks`: what stands before it (a byte order mark, what was skipped) is not in them. */
  readonly start: number
  /** Offset after the last byte, where it is known before. */
  readonly size: number | undefined
  /**
   * The bytes. Offsets are those of the decompressed file when it is UTF-8, which it nearly always is; those of its UTF-8
   * form otherwise.
   */
  readonly chunks: AsyncIterable<Uint8Array>
  /** Closes the file, also where nothing was read of `chunks` yet. */
  readonly close: () => Promise<void>
}

/** Options of the readers of text for packed files. */
export interface PackedTextOptions extends InflationLimits {
  /**
   * How the files are packed. Default `auto`: by the end of each name (`.gz`, `.br`, `.zst`, `.deflate`), else by the first bytes, which brotli
   * does not show. `zst` needs the package fzstd.
   */
  readonly compression?: TextCompression | 'auto' | undefined
}

export const packedTextRules: OptionRules<PackedTextOptions> = { ...inflationRules, compression: 'any' }

/** Checks the options. @throws `Usage` */
export const requirePackedText = ({ compression = 'auto', maxInflation, maxInflatedBytes }: PackedTextOptions): void => {
  if (compression !== 'auto') requireTextCompression(compression)
  for (const [name, value] of Object.entries({ maxInflation, maxInflatedBytes })) if (value !== undefined && value !== Infinity) requireCount(value, 1, name)
}

/** Options of {@link openText}. */
export interface OpenTextOptions extends PackedTextOptions {
  /** Label as `TextDecoder` knows them: `latin1`, `utf-16le`, `shift_jis`. A byte order mark wins. Default `utf-8`. */
  readonly encoding?: string | undefined
  /** Offset to begin at, counted as in {@link Utf8Text.chunks}. Default 0. */
  readonly start?: number | undefined
  /** Whether a chunk is good only until the next one is asked for. Default false. */
  readonly reuse?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Told of bytes taken from storage. */
  readonly onRead?: ((bytes: number) => void) | undefined
}

/** Enough for packings, byte order marks, and to know what is no text. */
const HEAD_BYTES = BINARY_HEAD_BYTES

/** The name under which an encoding is known. @throws `Usage` for one that is not */
export const encodingName = (label: string): string => {
  try {
    return new TextDecoder(label).encoding
  } catch (cause) {
    throw failure({ tag: 'Usage', code: 'UNKNOWN_ENCODING', problem: `no such encoding: ${label}`, remedy: 'Labels are those of the WHATWG Encoding Standard: utf-8, latin1, utf-16le, …', cause })
  }
}

/**
 * Opens a text file: inflates it when it is packed (see {@link PackedTextOptions}), drops the byte order mark, and gives UTF-8
 * whatever the encoding was. Returning the generator early closes the file.
 *
 * @throws `Corrupt` for bytes that the encoding does not have (UTF-8 itself is passed through unchecked), and NOT_TEXT for binary files that
 *   are known by their beginning
 */
export const openText = async (file: FileInfo, options: OpenTextOptions = {}): Promise<Utf8Text> => {
  const { start = 0, reuse, signal, onRead } = options
  const source = file.url
  const known = options.compression === undefined || options.compression === 'auto' ? compressionOfName(source) : options.compression
  if (start > 0 && (known === undefined || known === 'none')) {
    const head = await peek(bytesOf(readBytes(source, { end: HEAD_BYTES, signal })))
    await head.close()
    if ((known ?? guessTextCompression(head.bytes) ?? 'none') === 'none' && encodingOf(head.bytes, options.encoding).name === 'utf-8') {
      onRead?.(start)
      const chunks = fileBytes(file, { start, reuse, signal, onRead })
      return { start, size: file.size, chunks, close: async () => void (await chunks.return()) }
    }
  }

  const packed = await peek(fileBytes(file, { reuse, signal, onRead }))
  const compression = known ?? guessTextCompression(packed.bytes) ?? 'none'
  const limits = { maxInflation: options.maxInflation ?? MAX_TEXT_INFLATION, maxInflatedBytes: options.maxInflatedBytes, reuse, packedBytes: file.size }
  const plain = await peekOrClose(packed.close, compression === 'none' ? packed.chunks : inflated(packed.chunks, compression, source, limits))
  const { name, mark } = encodingOf(plain.bytes, options.encoding)
  const close = async (): Promise<void> => {
    await plain.close()
    await packed.close()
  }
  const binary = name === 'utf-8' ? notText(plain.bytes.subarray(0, HEAD_BYTES), source) : undefined
  if (binary !== undefined) {
    await close()
    throw binary
  }
  if (name === 'utf-8') return { start: Math.max(start, mark), size: compression === 'none' ? file.size : undefined, chunks: skipBytes(plain.chunks, Math.max(start, mark)), close }
  return { start, size: undefined, chunks: skipBytes(transcode(skipBytes(plain.chunks, mark), name, source), start), close }
}

/** The encoding of a text that begins so, and the bytes of its byte order mark. */
export const encodingOf = (head: Uint8Array, label: string | undefined): { name: string; mark: number } => {
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) return { name: 'utf-8', mark: 3 }
  if (head[0] === 0xff && head[1] === 0xfe) return { name: 'utf-16le', mark: 2 }
  if (head[0] === 0xfe && head[1] === 0xff) return { name: 'utf-16be', mark: 2 }
  return { name: label === undefined ? 'utf-8' : encodingName(label), mark: 0 }
}

async function* bytesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield* chunks
}

interface Peeked {
  readonly bytes: Uint8Array
  /** The same chunks from the beginning. */
  readonly chunks: AsyncGenerator<Uint8Array, void, undefined>
  /** Closes what was peeked at. (To return `chunks` would do nothing while it has not begun.) */
  readonly close: () => Promise<void>
}

const peek = async (chunks: AsyncGenerator<Uint8Array, void, undefined>): Promise<Peeked> => {
  let head = new Uint8Array(0)
  while (head.length < HEAD_BYTES) {
    const next = await chunks.next()
    if (next.done === true) break
    // A short chunk may be overwritten once the next one is asked for.
    head = head.length === 0 && next.value.length >= HEAD_BYTES ? (next.value as typeof head) : joined(head, next.value)
  }
  return { bytes: head, chunks: headThen(head, chunks), close: async () => void (await chunks.return()) }
}

const peekOrClose = async (close: () => Promise<void>, chunks: AsyncGenerator<Uint8Array, void, undefined>): Promise<Peeked> => {
  try {
    return await peek(chunks)
  } catch (error) {
    await close()
    throw error
  }
}

const joined = (a: Uint8Array, b: Uint8Array): typeof a & Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}

async function* headThen(head: Uint8Array, rest: AsyncGenerator<Uint8Array, void, undefined>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    if (head.length > 0) yield head
    yield* rest
  } finally {
    await rest.return()
  }
}

async function* skipBytes(chunks: AsyncIterable<Uint8Array>, skip: number): AsyncGenerator<Uint8Array, void, undefined> {
  let left = skip
  for await (const chunk of chunks) {
    if (left >= chunk.length) left -= chunk.length
    else {
      yield left === 0 ? chunk : chunk.subarray(left)
      left = 0
    }
  }
}

const encoder = new TextEncoder()

async function* transcode(chunks: AsyncIterable<Uint8Array>, encoding: string, source: string): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true })
  let byte = 0
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true })
    } catch (cause) {
      throw failure({
        tag: 'Corrupt', code: 'BAD_ENCODING', problem: `the text is not ${encoding}`,
        remedy: 'Name the encoding that the file has, for instance encoding: \'latin1\'.', position: { source, byte }, cause,
      })
    }
  }
  for await (const chunk of chunks) {
    const text = decode(chunk)
    byte += chunk.length
    if (text !== '') yield encoder.encode(text)
  }
  const text = decode()
  if (text !== '') yield encoder.encode(text)
}
