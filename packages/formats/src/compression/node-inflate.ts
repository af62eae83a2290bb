import { createBrotliDecompress, createGunzip, createInflate, type BrotliDecompress, type Gunzip, type Inflate } from 'node:zlib'
import { fromUnknown } from '@millrace/core'

/**
 * What an inflater gives at a time. With Node's default of 16 KiB each step costs more than the inflating; beyond this it writes to memory that
 * is in no cache, which costs a tenth more.
 */
const INFLATED_BYTES = 256 * 1024
/** How far an inflater may be ahead of its reader. */
const AHEAD_BYTES = 1024 * 1024

type Engine = Gunzip | Inflate | BrotliDecompress

/** Node's own inflaters. */
const engineOf = (kind: 'gzip' | 'zlib' | 'br'): Engine => {
  const options = { chunkSize: INFLATED_BYTES, highWaterMark: AHEAD_BYTES }
  return kind === 'gzip' ? createGunzip(options) : kind === 'zlib' ? createInflate(options) : createBrotliDecompress(options)
}

/** Hands chunks to an engine, each when the engine is done with the one before: their memory may be used again then. */
const feed = async (engine: Engine, packed: AsyncGenerator<Uint8Array, void, undefined>): Promise<void> => {
  let settle = (_isTaken: boolean): void => undefined
  // An engine that is destroyed, or has come to the end of its data, may never say that it took a chunk.
  engine.once('close', () => settle(false))
  try {
    // Not by a loop that closes it: what follows the data is looked at.
    for (let next = await packed.next(); next.done !== true; next = await packed.next()) {
      const isTaken = await new Promise<boolean>((resolve) => {
        settle = resolve
        engine.write(next.value, (error) => resolve(!(error instanceof Error)))
      })
      if (!isTaken) return
    }
    engine.end()
  } catch (error) {
    engine.destroy(fromUnknown(error))
  }
}

/**
 * Inflates by Node's zlib and brotli, on its pool of threads.
 *
 * @param fault - makes the error for damage, or for data that is cut
 * @returns packed bytes that were used
 * @throws what `fault` makes
 */
export async function* inflatedByNode(packed: AsyncGenerator<Uint8Array, void, undefined>, kind: 'gzip' | 'zlib' | 'br', fault: (error: Error, isCut: boolean) => Error): AsyncGenerator<Uint8Array, number, undefined> {
  const engine = engineOf(kind)
  // What goes wrong comes out of the loop below.
  const fed = feed(engine, packed)
  try {
    yield* engine as AsyncIterable<Uint8Array>
  } catch (error) {
    const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
    if (code === undefined || !/^(Z|ERR)_/.test(code)) throw error
    throw fault(error as Error, code === 'Z_BUF_ERROR')
  } finally {
    engine.destroy()
    await fed
  }
  // zlib stops at the end of its data and swallows the rest, which would hide a damaged second part of a gzip file.
  return engine.bytesWritten
}
