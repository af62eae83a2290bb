import { plainBytes } from '../example/plain-bytes.js'

const POLYNOMIAL = 0x82f63b78
/** CRC-32C masking of TFRecords and of TensorFlow's tables: a CRC of bytes that hold CRCs would be weak. */
const MASK_DELTA = 0xa282ead8
/**
 * Payloads from this size go to native code where it is installed. A native call costs some 60 ns, which the table below needs
 * for about 100 bytes; at 200 bytes both are equal, at 30 KB native code is 3 times faster.
 */
const NATIVE_FROM = 512

type Crc32c = (bytes: Uint8Array, previous?: number) => number
let native: Crc32c | undefined
let nativeAsked = false

/**
 * Loads `@node-rs/crc32` in the background when it is first wanted; until it is there, and where it is not installed, the table
 * does the work. Its absence costs speed only, so it is no error.
 */
const askForNative = (): void => {
  nativeAsked = true
  import('@node-rs/crc32').then(
    (module) => {
      native = (bytes, previous) => module.crc32c(bytes, previous)
    },
    () => undefined,
  )
}

/** The tables of {@link crc32cTables}: table `k`, the words from `256 k` on, advances a byte over `k` zero bytes (slicing-by-16, Kounavis and Berry 2005). */
const makeTable = (): Int32Array => {
  const table = new Int32Array(16 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    table[byte] = crc
  }
  for (let i = 256; i < table.length; i++) table[i] = table[table[i - 256]! & 255]! ^ (table[i - 256]! >>> 8)
  return table
}

/** Read only. */
export const crcTable: Int32Array = makeTable()

/** {@link crc32c} by the table alone. */
export const crc32cTables = (bytes: Uint8Array, start: number, end: number, previous = 0): number => {
  // A local: bundlers make module constants variables, which the engine would load anew at each of the sixteen look-ups.
  const t = crcTable
  let crc = ~previous
  let i = start
  for (const last = end - 15; i < last; i += 16) {
    crc =
      t[3840 + ((crc ^ bytes[i]!) & 255)]! ^ t[3584 + (((crc >>> 8) ^ bytes[i + 1]!) & 255)]! ^
      t[3328 + (((crc >>> 16) ^ bytes[i + 2]!) & 255)]! ^ t[3072 + ((crc >>> 24) ^ bytes[i + 3]!)]! ^
      t[2816 + bytes[i + 4]!]! ^ t[2560 + bytes[i + 5]!]! ^ t[2304 + bytes[i + 6]!]! ^ t[2048 + bytes[i + 7]!]! ^
      t[1792 + bytes[i + 8]!]! ^ t[1536 + bytes[i + 9]!]! ^ t[1280 + bytes[i + 10]!]! ^ t[1024 + bytes[i + 11]!]! ^
      t[768 + bytes[i + 12]!]! ^ t[512 + bytes[i + 13]!]! ^ t[256 + bytes[i + 14]!]! ^ t[bytes[i + 15]!]!
  }
  if (i < end - 7) {
    crc =
      t[1792 + ((crc ^ bytes[i]!) & 255)]! ^ t[1536 + (((crc >>> 8) ^ bytes[i + 1]!) & 255)]! ^
      t[1280 + (((crc >>> 16) ^ bytes[i + 2]!) & 255)]! ^ t[1024 + ((crc >>> 24) ^ bytes[i + 3]!)]! ^
      t[768 + bytes[i + 4]!]! ^ t[512 + bytes[i + 5]!]! ^ t[256 + bytes[i + 6]!]! ^ t[bytes[i + 7]!]!
    i += 8
  }
  for (; i < end; i++) crc = t[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8)
  return ~crc >>> 0
}

/**
 * CRC-32C (Castagnoli, as in RFC 3720) of `bytes[start..end]`, unsigned.
 *
 * @param previous - CRC of the bytes before, to go on from. Default: none
 */
export const crc32c = (bytes: Uint8Array, start = 0, end: number = bytes.length, previous = 0): number => {
  if (end - start >= NATIVE_FROM) {
    if (native !== undefined) return native(bytes.subarray(start, end), previous) >>> 0
    if (!nativeAsked) askForNative()
  }
  return crc32cTables(plainBytes(bytes), start, end, previous)
}

/**
 * The form in which TFRecords, TensorBundles and event files store a CRC: rotated right by 15 bits, plus a constant
 * (tensorflow/core/lib/hash/crc32c.h, `Mask`).
 */
export const maskCrc32c = (crc: number): number => (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0

/** The CRC of its masked form. */
export const unmaskCrc32c = (masked: number): number => {
  const rotated = (masked - MASK_DELTA) >>> 0
  return ((rotated >>> 17) | (rotated << 15)) >>> 0
}
