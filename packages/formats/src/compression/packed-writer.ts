import { constants, createBrotliCompress, createDeflate, createGzip, type BrotliCompress, type Deflate, type Gzip } from 'node:zlib'
import type { Output } from '@millrace/core'
import { loadZstdCompressor } from '../codecs/zstd.js'
import { CHUNK_BYTES, type TextCompression } from './compression.js'

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

/** Higher is slower out of proportion: Node's default of 11 packs a megabyte a second. */
const BROTLI_QUALITY = 5

const packerOf = (compression: 'gzip' | 'zlib' | 'br'): Gzip | Deflate | BrotliCompress => {
  const options = { chunkSize: CHUNK_BYTES, highWaterMark: CHUNK_BYTES }
  if (compression === 'br') return createBrotliCompress({ ...options, params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } })
  return compression === 'gzip' ? createGzip(options) : createDeflate(options)
}

/** A {@link PackedWriter} to `output` that packs each piece that it is given by itself, to a frame: frames in a row are one file. */
const frameWriter = (put: (bytes: Uint8Array) => Promise<void>, written: () => number, pack: (bytes: Uint8Array) => Uint8Array): PackedWriter => ({
  write: (bytes) => put(pack(bytes)),
  // Not even one frame would be no zstd file.
  end: async () => (written() === 0 ? put(pack(new Uint8Array(0))) : undefined),
  destroy: () => undefined,
  get bytes() {
    return written()
  },
})

/** A {@link PackedWriter} to `output` for text. @throws `MissingPeer` for `zst` on a Node that has no zstd, and without the package that has it */
export const textPackedWriter = async (output: Output, compression: TextCompression): Promise<PackedWriter> => {
  if (compression !== 'zst') return packedWriter(output, compression)
  const pack = await loadZstdCompressor()
  let written = 0
  const put = async (bytes: Uint8Array): Promise<void> => {
    written += bytes.length
    await output.write(bytes)
  }
  return frameWriter(put, () => written, pack)
}

/** A {@link PackedWriter} to `output`. */
export const packedWriter = (output: Output, compression: Exclude<TextCompression, 'zst'>): PackedWriter => {
  let written = 0
  const put = async (bytes: Uint8Array): Promise<void> => {
    written += bytes.length
    await output.write(bytes)
  }
  if (compression === 'none') {
    return { write: put, end: async () => undefined, destroy: () => undefined, get bytes() { return written } }
  }
  const engine = packerOf(compression)
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
