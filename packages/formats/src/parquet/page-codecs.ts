import * as zlib from 'node:zlib'
import { decodeLz4Block } from '../codecs/lz4.js'
import { canBeSnappy, decodeSnappy, encodeSnappy, snappyFault } from '../codecs/snappy.js'
import { loadZstd } from '../codecs/zstd.js'
import { inflateWhole } from '../compression/index.js'
import { pageKernel, releasePageKernel } from './page-kernel.js'

/** Inflates a page to `length` bytes, which may be a view that holds until the next page. */
export type PageCodec = (input: Uint8Array, length: number) => Uint8Array

const inflateSnappy: PageCodec = (input, length) => {
  if (!canBeSnappy(input.length, length)) throw snappyFault(1)
  const found = pageKernel()?.inflateSnappy(input, length)
  if (typeof found === 'number') throw snappyFault(found)
  return found ?? decodeSnappy(input, length)
}

/** Packs a page as Snappy. */
export const deflateSnappy = (input: Uint8Array): Uint8Array => {
  // A copy: others use the kernel while the page is written.
  const packed = pageKernel()?.deflateSnappy(input)?.slice() ?? encodeSnappy(input)
  releasePageKernel()
  return packed
}

/** LZ4 packs 255 to 1 at most. */
const requireLz4 = (input: Uint8Array, length: number): void => {
  if (length > 255 * input.length) throw new Error(`LZ4 data of ${input.length} bytes cannot hold ${length}`)
}

const inflateLz4Block: PageCodec = (input, length) => {
  requireLz4(input, length)
  const out = new Uint8Array(length)
  return out.subarray(0, decodeLz4Block(input, 0, input.length, out, 0))
}

/** Hadoop's frames of blocks, their lengths before them; `undefined` for what is none. @see https://github.com/apache/parquet-format/blob/master/Compression.md */
const inflateHadoopLz4 = (input: Uint8Array, length: number): Uint8Array | undefined => {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  const out = new Uint8Array(length)
  let at = 0
  let to = 0
  while (at + 8 <= input.length) {
    const due = to + view.getUint32(at)
    const end = at + 8 + view.getUint32(at + 4)
    if (end > input.length || due > length) return undefined
    try {
      if (decodeLz4Block(input, at + 8, end, out.subarray(to, due), 0) !== due - to) return undefined
    } catch {
      return undefined
    }
    at = end
    to = due
  }
  return at === input.length && to === length ? out : undefined
}

/** The old codec LZ4: Hadoop's frames by most writers, one block by some. */
const inflateLz4: PageCodec = (input, length) => {
  requireLz4(input, length)
  return inflateHadoopLz4(input, length) ?? inflateLz4Block(input, length)
}

/** How pages of a codec are inflated; `undefined` for a codec that is not known. @throws `MissingPeer` for zstd on a Node without it */
export const pageCodec = async (codec: string): Promise<PageCodec | undefined> => {
  switch (codec) {
    case 'SNAPPY':
      return inflateSnappy
    case 'GZIP':
      return (input, length) => inflateWhole(input, length) ?? zlib.gunzipSync(input, { maxOutputLength: Math.max(1, length) })
    case 'BROTLI':
      return (input, length) => zlib.brotliDecompressSync(input, { maxOutputLength: Math.max(1, length) })
    case 'ZSTD':
      return (await loadZstd('reading Parquet compressed with ZSTD')).decompress
    case 'LZ4_RAW':
      return inflateLz4Block
    case 'LZ4':
      return inflateLz4
    default:
      return undefined
  }
}
