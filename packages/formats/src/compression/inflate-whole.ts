import { Inflater, InflateFault } from './inflater.js'

/** Deflate packs at most so many to one, but for the first few bytes. */
const MAX_DEFLATE = 1032
const SMALL_BYTES = 1024

/**
 * Inflates gzip that is there whole and holds `length` bytes.
 *
 * @returns `undefined` where it is anything else, or there is no WebAssembly: Node's zlib says what is wrong with it
 */
export const inflateWhole = (packed: Uint8Array, length: number): Uint8Array | undefined => {
  const inflater = length > MAX_DEFLATE * packed.length + SMALL_BYTES ? undefined : Inflater.of('gzip')
  if (inflater === undefined) return undefined
  const out = new Uint8Array(length)
  let size = 0
  try {
    inflater.push(packed)
    for (let piece = inflater.next(); piece !== undefined; piece = inflater.next()) {
      if (piece.length > length - size) return undefined
      out.set(piece, size)
      size += piece.length
    }
    return size === length && inflater.isWhole ? out : undefined
  } catch (error) {
    if (error instanceof InflateFault) return undefined
    throw error
  } finally {
    inflater.release()
  }
}
