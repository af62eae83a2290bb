import { createGunzip, createInflate } from 'node:zlib'
import { failure, fromUnknown, isMillraceError, throwIfAborted } from '@millrace/core'

/** How a file's bytes are packed: `gzip` (RFC 1952, several members in a row too), `zlib` (RFC 1950), or not at all. */
export type Compression = 'none' | 'gzip' | 'zlib'

/** Node's default of 16 KiB inflates four times slower. */
const OUTPUT_CHUNK_BYTES = 1 << 20

/** The compression that a name ends in (`.gz`, `.gzip`, `.zz`, `.zlib`), if any. */
export const compressionOfName = (url: string): Compression | undefined => {
  const name = url.replace(/[?#].*$/, '').toLowerCase()
  if (name.endsWith('.gz') || name.endsWith('.gzip')) return 'gzip'
  if (name.endsWith('.zz') || name.endsWith('.zlib')) return 'zlib'
  return undefined
}

/** True when the bytes begin as a gzip member does: `1f 8b 08`. Text never does. */
export const looksLikeGzip = (head: Uint8Array): boolean => head.length >= 3 && head[0] === 0x1f && head[1] === 0x8b && head[2] === 0x08

/**
 * Inflates a stream of bytes. The chunks belong to the caller. Returning early closes `chunks`.
 *
 * @param source - name of the file, for errors
 * @throws `Corrupt` at the byte of the inflated stream where it is cut short or its checksum is wrong
 */
export async function* decompress(
  chunks: AsyncIterable<Uint8Array>,
  compression: Compression,
  source: string,
  signal?: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (compression === 'none') return yield* chunks
  const inflate = compression === 'gzip' ? createGunzip({ chunkSize: OUTPUT_CHUNK_BYTES }) : createInflate({ chunkSize: OUTPUT_CHUNK_BYTES })
  // Errors reach the loop below; this listener only keeps one that comes after an early return from being thrown at the process.
  inflate.on('error', () => undefined)
  const input = chunks[Symbol.asyncIterator]()
  let stopped = false
  const feed = async (): Promise<void> => {
    try {
      for (;;) {
        const next = await input.next()
        if (next.done === true || stopped) break
        if (!inflate.write(next.value)) await drained(inflate)
        if (stopped) break
      }
      if (!stopped) inflate.end()
    } catch (error) {
      inflate.destroy(error as Error)
    } finally {
      await input.return?.()
    }
  }
  const feeding = feed()
  let produced = 0
  try {
    for await (const chunk of inflate as AsyncIterable<Uint8Array>) {
      throwIfAborted(signal)
      produced += chunk.length
      yield chunk
    }
  } catch (error) {
    throw isMillraceError(error) ? error : zlibError(error, compression, source, produced)
  } finally {
    stopped = true
    inflate.destroy()
    await feeding
  }
}

/** Resolves when the stream takes more, or is over. */
const drained = async (stream: ReturnType<typeof createGunzip>): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    stream.on('drain', done)
    stream.on('close', done)
    if (stream.destroyed) done()
  })

const zlibError = (error: unknown, compression: Compression, source: string, byte: number): Error => {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'Z_BUF_ERROR') {
    return failure({
      tag: 'Corrupt', code: 'COMPRESSED_TRUNCATED', problem: `the ${compression} stream is cut short`,
      remedy: 'Fetch or write the file again.', position: { source, byte }, cause: error,
    })
  }
  if (code?.startsWith('Z_') === true) {
    return failure({
      tag: 'Corrupt', code: 'COMPRESSED_CORRUPT', problem: `the ${compression} stream is damaged: ${(error as Error).message}`,
      remedy: 'Fetch or write the file again, or name another compression.', position: { source, byte }, cause: error,
    })
  }
  return fromUnknown(error, { source })
}
