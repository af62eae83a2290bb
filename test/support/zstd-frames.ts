import { XxHash64 } from '../../packages/formats/src/compression/xxhash64.js'

const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

/** What a frame is made of, for tests: blocks as they are, or one byte many times. */
export type TestBlock = Uint8Array | { readonly byte: number; readonly times: number }

/** A zstd frame of blocks that are not compressed, with a window descriptor; for tests where no compressor is to be had. */
export const zstdFrame = (blocks: readonly TestBlock[], { checksum = true, window = 0x38, damage = 0 } = {}): Buffer => {
  const hash = new XxHash64()
  const parts: Uint8Array[] = [word(0xfd2fb528), Uint8Array.of(checksum ? 4 : 0, window)]
  blocks.forEach((block, i) => {
    const isRaw = block instanceof Uint8Array
    const header = (i === blocks.length - 1 ? 1 : 0) | (isRaw ? 0 : 2) | ((isRaw ? block.length : block.times) << 3)
    parts.push(word(header).subarray(0, 3), isRaw ? block : Uint8Array.of(block.byte))
    hash.update(isRaw ? block : new Uint8Array(block.times).fill(block.byte))
  })
  if (checksum) parts.push(word(hash.digestLow() + damage))
  return Buffer.concat(parts)
}

/** A frame that readers leave out. */
export const skippableFrame = (content: Uint8Array): Buffer => Buffer.concat([word(0x184d2a53), word(content.length), content])
