import { loadPeer } from '@millrace/core'
import { XxHash64 } from './xxhash64.js'
import { ZstdFrames } from './zstd-frames.js'

/** Makes the error for damage, or for data that is cut. */
export type ZstdFault = (problem: string, cut: boolean) => Error

const CHECKSUM_BYTES = 4

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/**
 * Inflates zstd: frames in a row, and skippable frames between them. It is handed to fzstd a block at a time, so that no more than a few blocks of
 * 128 KiB are held beside the window, whatever the data says; checksums of frames, which fzstd leaves alone, are checked. The
 * zstd of Node 22 is not used: it is to be the same on every Node.
 *
 * @throws what `fault` makes, and `MissingPeer`
 */
export async function* unzstd(packed: AsyncIterable<Uint8Array>, fault: ZstdFault): AsyncGenerator<Uint8Array, void, undefined> {
  const { Decompress } = await loadPeer('fzstd', 'reading zstd', () => import('fzstd'))
  const frames = new ZstdFrames()
  let out: Uint8Array[] = []
  let engine: InstanceType<typeof Decompress> | undefined
  let hash = new XxHash64()
  const attempt = <A>(work: () => A): A => {
    try {
      return work()
    } catch (error) {
      throw fault(messageOf(error), false)
    }
  }
  for await (const chunk of packed) {
    frames.push(chunk)
    for (;;) {
      const piece = attempt(() => frames.next())
      if (piece === undefined) break
      if (piece.kind === 'checksum') {
        if (hash.digestLow() !== piece.value) throw fault('the checksum of a frame is wrong', false)
        continue
      }
      if (piece.kind === 'head') {
        hash = new XxHash64()
        engine = new Decompress((bytes) => out.push(bytes))
      }
      attempt(() => {
        engine!.push(piece.bytes, piece.isLast && !frames.hasChecksum)
        // It waits for a checksum, without looking at it, before it takes a short frame for whole.
        if (piece.isLast && frames.hasChecksum) engine!.push(new Uint8Array(CHECKSUM_BYTES), true)
      })
      for (const bytes of out) {
        if (frames.hasChecksum) hash.update(bytes)
        if (bytes.length > 0) yield bytes
      }
      out = []
    }
  }
  if (!frames.isWhole) throw fault('', true)
}
