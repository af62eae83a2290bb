/** Checksums of TFRecords. */

/** Where the tables of slicing-by-16 (src/tfrecord/crc32c.ts) have to be: table k at byte 1024 (k + 1). */
@inline
function table(byte: u32): usize {
  return <usize>(byte << 2)
}

/** The last 4 bytes of those that are looked up together. The offsets are constants, so that each look-up is one load. */
@inline
function lastFour(word: u32): u32 {
  return (
    (load<u32>(table(word & 255), 4096) ^ load<u32>(table((word >> 8) & 255), 3072)) ^
    (load<u32>(table((word >> 16) & 255), 2048) ^ load<u32>(table(word >> 24), 1024))
  )
}

/** The 4 before those. */
@inline
function fourBefore(word: u32): u32 {
  return (
    (load<u32>(table(word & 255), 8192) ^ load<u32>(table((word >> 8) & 255), 7168)) ^
    (load<u32>(table((word >> 16) & 255), 6144) ^ load<u32>(table(word >> 24), 5120))
  )
}

/** The second 4 of 16. */
@inline
function secondFour(word: u32): u32 {
  return (
    (load<u32>(table(word & 255), 12288) ^ load<u32>(table((word >> 8) & 255), 11264)) ^
    (load<u32>(table((word >> 16) & 255), 10240) ^ load<u32>(table(word >> 24), 9216))
  )
}

/** The first 4 of 16. */
@inline
function firstFour(word: u32): u32 {
  return (
    (load<u32>(table(word & 255), 16384) ^ load<u32>(table((word >> 8) & 255), 15360)) ^
    (load<u32>(table((word >> 16) & 255), 14336) ^ load<u32>(table(word >> 24), 13312))
  )
}

/**
 * CRC-32C by slicing-by-16, in its masked form (tensorflow/core/lib/hash/crc32c.h). What hangs on the bytes before comes last in each step: the
 * other look-ups are done by then, which makes it a third faster.
 */
export function maskedCrc(at: usize, end: usize): u32 {
  let crc: u32 = 0xffffffff
  while (at + 16 <= end) {
    const rest = lastFour(load<u32>(at, 12)) ^ fourBefore(load<u32>(at, 8)) ^ secondFour(load<u32>(at, 4))
    crc = rest ^ firstFour(load<u32>(at) ^ crc)
    at += 16
  }
  if (at + 8 <= end) {
    crc = lastFour(load<u32>(at, 4)) ^ fourBefore(load<u32>(at) ^ crc)
    at += 8
  }
  if (at + 4 <= end) {
    crc = lastFour(load<u32>(at) ^ crc)
    at += 4
  }
  while (at < end) {
    crc = load<u32>(table((crc ^ <u32>load<u8>(at)) & 255), 1024) ^ (crc >> 8)
    at++
  }
  return rotr<u32>(~crc, 15) + 0xa282ead8
}
