import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip, createDeflate, createInflate } from 'node:zlib'
import { failure, fromUnknown, requireOneOf, type MillraceError, type Output } from '@millrace/core'
import { FRAME_HEADER, headerHolds } from '../tfrecord/frame.js'

/** How the bytes of a TFRecord file are packed, by TensorFlow's names (`TFRecordOptions`). */
export type Compression = 'none' | 'gzip' | 'zlib'

/** For callers whom the compiler does not check: any other word would be taken for zlib. @throws `Usage` */
export const requireCompression = (value: Compression): Compression => requireOneOf('compression', value, ['none', 'gzip', 'zlib'])

/** With Node's default of 16 KiB each step costs more than the inflating: with 1 MiB it is four times faster. */
const CHUNK_BYTES = 1024 * 1024
/**
 * Deflate packs at most 1032 to 1. Sound TFRecords, whose checksums differ from record to record unless the records are equal,
 * stay far below 500; beyond it, and beyond the first 64 MiB, a file is taken for a bomb.
 */
export const MAX_INFLATION = 500
const INFLATION_GRACE_BYTES = 64 * 1024 * 1024

/**
 * The packing of a file by its first bytes (12 are enough, fewer only where the file has no more).
 *
 * A TFRecord header that carries its own checksum comes first: a record of 376 bytes begins like a zlib stream.
 */
export const guessCompression = (head: Uint8Array): Compression => {
  if (head.length >= FRAME_HEADER && headerHolds(head, 0)) return 'none'
  if (head[0] === 0x1f && head[1] === 0x8b && head[2] === 8) return 'gzip'
  // RFC 1950: method 8, a window of at most 32 KiB, and a check that makes the two bytes a multiple of 31.
  if (head.length >= 2 && (head[0]! & 15) === 8 && head[0]! >> 4 <= 7 && ((head[0]! << 8) | head[1]!) % 31 === 0) return 'zlib'
  return 'none'
}

/** Puts chunks together until there are `count` bytes, for a look at the head; gives back all of them with the rest. */
export const peek = async (chunks: AsyncIterable<Uint8Array>, count: number): Promise<{ readonly head: Uint8Array; readonly chunks: AsyncGenerator<Uint8Array, void, undefined> }> => {
  const iterator = chunks[Symbol.asyncIterator]()
  const held: Uint8Array[] = []
  let size = 0
  while (size < count) {
    // The chunk before may be overwritten when the next one is asked for.
    if (held.length > 0) held.push(held.pop()!.slice())
    const next = await iterator.next()
    if (next.done === true) break
    held.push(next.value)
    size += next.value.length
  }
  const head = new Uint8Array(Math.min(size, count))
  let at = 0
  for (const chunk of held) {
    head.set(chunk.subarray(0, head.length - at), at)
    at = Math.min(head.length, at + chunk.length)
  }
  const all = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* held
      for (;;) {
        const next = await iterator.next()
        if (next.done === true) return
        yield next.value
      }
    } finally {
      await iterator.return?.()
    }
  }
  return { head, chunks: all() }
}

const inflateError = (thrown: unknown, kind: Compression, source: string, read: number, given: number): MillraceError => {
  const code = thrown instanceof Error ? (thrown as NodeJS.ErrnoException).code : undefined
  if (code === undefined || !code.startsWith('Z_')) return fromUnknown(thrown, { source })
  const cut = code === 'Z_BUF_ERROR'
  return failure({
    tag: 'Corrupt',
    code: cut ? 'COMPRESSED_TRUNCATED' : 'COMPRESSED_CORRUPT',
    problem: cut
      ? `the ${kind} data ends too early, at byte ${read} of the file`
      : `the ${kind} data is damaged at or before byte ${read} of the file (${(thrown as Error).message})`,
    remedy: cut ? 'The file was cut short: copy or write it again.' : 'The file is damaged: copy or write it again.',
    position: { source, byte: given },
    cause: thrown,
  })
}

/**
 * Inflates chunks.
 *
 * @throws `Corrupt` for data that is cut short, damaged, or followed by something else; the message names the byte of the
 * file, the position the byte after inflating
 * @throws `Limit` INFLATION_LIMIT for more than `maxInflation` times as many bytes as were read
 */
export async function* inflated(
  chunks: AsyncIterable<Uint8Array>,
  kind: 'gzip' | 'zlib',
  source: string,
  maxInflation: number = MAX_INFLATION,
): AsyncGenerator<Uint8Array, void, undefined> {
  const options = { chunkSize: CHUNK_BYTES, highWaterMark: CHUNK_BYTES }
  const engine = kind === 'gzip' ? createGunzip(options) : createInflate(options)
  let read = 0
  let given = 0
  const counted = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of chunks) {
      read += chunk.length
      yield chunk
    }
  }
  const packed = counted()
  // What goes wrong comes out of the loop below.
  const piped = pipeline(Readable.from(packed, { objectMode: true, highWaterMark: 1 }), engine).catch(() => undefined)
  try {
    for await (const chunk of engine as AsyncIterable<Uint8Array>) {
      given += chunk.length
      if (given > INFLATION_GRACE_BYTES && given > maxInflation * read) {
        throw failure({
          tag: 'Limit',
          code: 'INFLATION_LIMIT',
          problem: `the ${kind} data grows to more than ${maxInflation} times its size`,
          remedy: 'Raise maxInflation if the file is sound.',
          position: { source, byte: given },
        })
      }
      yield chunk
    }
  } catch (error) {
    throw inflateError(error, kind, source, read, given)
  } finally {
    engine.destroy()
    await piped
    // A pipeline that is cut ends before its source is closed.
    await packed.return()
  }
  // zlib stops at the end of its data and swallows the rest, which would hide a damaged second part of a gzip file.
  if (engine.bytesWritten < read) {
    throw failure({
      tag: 'Corrupt',
      code: 'COMPRESSED_TRAILING',
      problem: `the ${kind} data ends at byte ${engine.bytesWritten} of the file, and ${read - engine.bytesWritten} bytes follow it`,
      remedy: 'The file is damaged: copy or write it again.',
      position: { source, byte: given },
    })
  }
}

/** Writes to an output, packed on the way. */
export interface PackedWriter {
  /** The buffer may be reused after the promise resolves. */
  write(bytes: Uint8Array): Promise<void>
  /** Writes what the packing still holds; the output itself stays open. */
  end(): Promise<void>
  /** Lets go of the packing's memory after an error. */
  destroy(): void
  /** Bytes given to the output. */
  readonly bytes: number
}

/** A {@link PackedWriter} to `output`. */
export const packedWriter = (output: Output, compression: Compression): PackedWriter => {
  let written = 0
  const put = async (bytes: Uint8Array): Promise<void> => {
    written += bytes.length
    await output.write(bytes)
  }
  if (compression === 'none') {
    return { write: put, end: async () => undefined, destroy: () => undefined, get bytes() { return written } }
  }
  const options = { chunkSize: CHUNK_BYTES, highWaterMark: CHUNK_BYTES }
  const engine = compression === 'gzip' ? createGzip(options) : createDeflate(options)
  const packed: Uint8Array[] = []
  engine.on('data', (chunk: Uint8Array) => packed.push(chunk))
  const drain = async (): Promise<void> => {
    for (const chunk of packed.splice(0)) await put(chunk)
  }
  const settled = (start: (done: (error?: Error | null) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      engine.once('error', reject)
      start((error) => {
        engine.off('error', reject)
        if (error) reject(error)
        else resolve()
      })
    })
  return {
    write: async (bytes) => {
      await settled((done) => engine.write(bytes, done))
      await drain()
    },
    end: async () => {
      await settled((done) => {
        engine.once('end', () => done())
        engine.end()
      })
      await drain()
    },
    destroy: () => void engine.destroy(),
    get bytes() {
      return written
    },
  }
}
