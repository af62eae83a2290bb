import { randomBytes } from 'node:crypto'
import * as zlib from 'node:zlib'
import { afterEach, expect, it, vi } from 'vitest'

afterEach(() => {
  vi.doUnmock('node:zlib')
  vi.doUnmock('@bokuweb/zstd-wasm')
  vi.resetModules()
})

/** As on Node before 22.15. */
const withoutNodeZstd = async (): Promise<typeof import('./zstd.js')> => {
  vi.resetModules()
  vi.doMock('node:zlib', () => ({ ...zlib, zstdCompressSync: undefined, zstdDecompressSync: undefined }))
  return import('./zstd.js')
}

it('zstd is written and read without that of Node', async () => {
  const { loadZstd, loadZstdCompressor } = await withoutNodeZstd()
  const compress = await loadZstdCompressor()
  const { decompress } = await loadZstd('reading')
  for (const bytes of [new Uint8Array(0), Buffer.from('a'), Buffer.alloc(3_000_000, 'abc '), randomBytes(70_000)]) {
    const packed = compress(bytes)
    expect(Buffer.from(decompress(packed, bytes.length)).equals(bytes)).toBe(true)
    if (bytes.length > 100_000) expect(packed.length).toBeLessThan(bytes.length / 100)
  }
})

it('without a package to write zstd, the error names it', async () => {
  const { loadZstdCompressor } = await withoutNodeZstd()
  vi.doMock('@bokuweb/zstd-wasm', () => {
    throw Object.assign(new Error("Cannot find package '@bokuweb/zstd-wasm'"), { code: 'ERR_MODULE_NOT_FOUND' })
  })
  await expect(loadZstdCompressor()).rejects.toMatchObject({ _tag: 'MissingPeer', problem: expect.stringContaining('before Node 22.15') as string, remedy: expect.stringContaining('@bokuweb/zstd-wasm') as string })
})
