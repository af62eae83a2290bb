/** Checksums of TFRecords. */

/** Where the tables of slicing-by-16 (src/tfrecord/crc32c.ts) have to be: table k at byte 1024 (k + 1). */
@inline
function table(byte: u32): usize {
  return <usize>(byte << 2)
}

/** The last 8 of 16 bytes. The offsets are constants, so that each look-up is one load. */
@inline
function eight(word: u64): u32 {
  return (
    load<u32>(table(<u32>word & 255), 8192) ^ load<u32>(table((<u32>word >> 8) & 255), 7168) ^
    load<u32>(table((<u32>word >> 16) & 255), 6144) ^ load<u32>(table(<u32>word >> 24), 5120) ^
    load<u32>(table(<u32>(word >> 32) & 255), 4096) ^ load<u32>(table(<u32>(word >> 40) & 255), 3072) ^
    load<u32>(table(<u32>(word >> 48) & 255), 2048) ^ load<u32>(table(<u32>(word >> 56)), 1024)
  )
}

/** The first 8 of 16 bytes. */
@inline
function eightBefore(word: u64): u32 {
  return (
    load<u32>(table(<u32>word & 255), 16384) ^ load<u32>(table((<u32>word >> 8) & 255), 15360) ^
    load<u32>(table((<u32>word >> 16) & 255), 14336) ^ load<u32>(table(<u32>word >> 24), 13312) ^
    load<u32>(table(<u32>(word >> 32) & 255), 12288) ^ load<u32>(table(<u32>(word >> 40) & 255), 11264) ^
    load<u32>(table(<u32>(word >> 48) & 255), 10240) ^ load<u32>(table(<u32>(word >> 56)), 9216)
  )
}

/** CRC-32C by slicing-by-16, in its masked form (tensorflow/core/lib/hash/crc32c.h). */
export function maskedCrc(at: usize, end: usize): u32 {
  let crc: u32 = 0xffffffff
  while (at + 16 <= end) {
    crc = eightBefore(load<u64>(at) ^ <u64>crc) ^ eight(load<u64>(at, 8))
    at += 16
  }
  if (at + 8 <= end) {
    crc = eight(load<u64>(at) ^ <u64>crc)
    at += 8
  }
  while (at < end) {
    crc = load<u32>(table((crc ^ <u32>load<u8>(at)) & 255), 1024) ^ (crc >> 8)
    at++
  }
  return rotr<u32>(~crc, 15) + 0xa282ead8
}
