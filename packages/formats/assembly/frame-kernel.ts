/**
 * TFRecord frames to payloads: AssemblyScript, compiled by scripts/build-kernels.mjs. It stops before a frame that is damaged, long or cut: what is
 * wrong with that one, if anything, the TypeScript decoder says.
 *
 * It allocates nothing. src/tfrecord/frame-kernel.ts places what it works on. All bounds of the input are checked here.
 */
import { maskedCrc } from './shared/crc32c'

let stoppedAt: usize = 0

/** Address of the frame at which the last call stopped. */
export function position(): usize {
  return stoppedAt
}

/**
 * Moves the payloads of the frames from `at` to `end` together, to where the first frame was, until `budget` bytes have been taken. Where each
 * ends, counted from there, goes to `ends`. Both checksums of each frame are checked.
 *
 * @returns how many payloads there are
 */
export function unframe(at: usize, end: usize, ends: usize, most: i32, budget: i32, longest: u32): i32 {
  const start = at
  let to = at
  let count: i32 = 0
  while (count < most && budget > 0 && end - at >= 16) {
    const length = load<u32>(at)
    if (load<u32>(at, 4) != 0 || length > longest || <usize>length > end - at - 16 || maskedCrc(at, at + 8) != load<u32>(at, 8)) break
    const stop = at + 12 + length
    if (maskedCrc(at + 12, stop) != load<u32>(stop)) break
    // At least 12 bytes down, so that what 16 bytes reach beyond the payload is its checksum, which was read.
    for (let from = at + 12, into = to; from < stop; from += 16, into += 16) v128.store(into, v128.load(from))
    to += length
    store<u32>(ends + (<usize>count << 2), <u32>(to - start))
    budget -= <i32>length
    at = stop + 4
    count++
  }
  stoppedAt = at
  return count
}
