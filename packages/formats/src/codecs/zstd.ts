import * as zlib from 'node:zlib'
import { loadPeer } from '@millrace/core'

/** The level that zstd packs with unless it is told another, in Node too. */
const LEVEL = 3

/** zstd, from wherever it is to be had. */
export interface Zstd {
  readonly decompress: (input: Uint8Array, length: number) => Uint8Array
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
  const { zstdDecompressSync } = zlib as NodeZstd
  if (zstdDecompressSync !== undefined) return { decompress: (input, length) => zstdDecompressSync(input, { maxOutputLength: Math.max(1, length) }) }
  const { decompress } = await loadPeer('fzstd', use, () => import('fzstd'))
  return { decompress: (input, length) => decompress(input, new Uint8Array(length)) }
}

/** Starts the package's WebAssembly once: each start takes memory of its own. */
let started: Promise<void> | undefined

/**
 * Node's compressor of zstd, or that of the optional peer @bokuweb/zstd-wasm. Each call gives one frame.
 *
 * @throws `MissingPeer` where there is neither
 */
export const loadZstdCompressor = async (use = 'writing zstd before Node 22.15'): Promise<(input: Uint8Array) => Uint8Array> => {
  const { zstdCompressSync } = zlib as NodeZstd
  if (zstdCompressSync !== undefined) return zstdCompressSync
  const { init, compress } = await loadPeer('@bokuweb/zstd-wasm', use, () => import('@bokuweb/zstd-wasm'))
  await (started ??= init())
  return (input) => compress(input, LEVEL)
}
