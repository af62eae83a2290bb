import * as zlib from 'node:zlib'
import { failure, loadPeer } from '@millrace/core'

/** zstd, from wherever it is to be had. */
export interface Zstd {
  readonly decompress: (input: Uint8Array, length: number) => Uint8Array
  /** Absent where only reading is. */
  readonly compress: ((input: Uint8Array) => Uint8Array) | undefined
}

/** Node's own zstd came with 22.15. */
interface NodeZstd {
  readonly zstdDecompressSync?: (input: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array
  readonly zstdCompressSync?: (input: Uint8Array) => Uint8Array
}

/**
 * Node's zstd, or that of the optional peer fzstd, which only reads.
 *
 * @throws `MissingPeer` where there is neither
 */
export const loadZstd = async (use: string): Promise<Zstd> => {
  const { zstdDecompressSync, zstdCompressSync } = zlib as NodeZstd
  if (zstdDecompressSync !== undefined) {
    return { decompress: (input, length) => zstdDecompressSync(input, { maxOutputLength: Math.max(1, length) }), compress: zstdCompressSync }
  }
  const { decompress } = await loadPeer('fzstd', use, () => import('fzstd'))
  return { decompress: (input, length) => decompress(input, new Uint8Array(length)), compress: undefined }
}

/** The compressor of zstd. @throws `Usage` on a Node that has none */
export const loadZstdCompressor = async (): Promise<(input: Uint8Array) => Uint8Array> => {
  const { zstdCompressSync } = zlib as NodeZstd
  if (zstdCompressSync !== undefined) return zstdCompressSync
  throw failure({ tag: 'Usage', code: 'NO_ZSTD', problem: `Node ${process.versions.node} cannot write zstd`, remedy: 'Use Node 22.15 or later, or another compression.' })
}
