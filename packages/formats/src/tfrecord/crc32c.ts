const POLYNOMIAL = 0x82f63b78
/** CRC-32C masking of TFRecords and of TensorFlow's tables: a CRC of bytes that hold CRCs would be weak. */
const MASK_DELTA = 0xa282ead8
/**
 * Payloads from this size go to native code where it is installed. A native call costs some 60 ns, which the tables below need
 * for about 100 bytes; at 200 bytes both are equal, at 30 KB native code is 3 times faster.
 */
const NATIVE_FROM = 512

type Crc32c = (bytes: Uint8Array, previous?: number) => number
let native: Crc32c | undefined
let nativeAsked = false

/**
 * Loads `@node-rs/crc32` in the background when it is first wanted; until it is there, and where it is not installed, the tables
 * do the work. Its absence costs speed only, so it is no error.
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

/** Table `k` advances a byte over `k` zero bytes (slicing-by-16, Kounavis and Berry 2005). */
const makeTables = (): readonly Int32Array[] => {
  const tables = Array.from({ length: 16 }, () => new Int32Array(256))
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    tables[0]![byte] = crc
  }
  for (let byte = 0; byte < 256; byte++) {
    let crc = tables[0]![byte]!
    for (let k = 1; k < 16; k++) {
      crc = tables[0]![crc & 255]! ^ (crc >>> 8)
      tables[k]![byte] = crc
    }
  }
  return tables
}

const tables = makeTables()
// One constant a table: the engine folds them into the loop, where an array of tables would be looked up at each step.
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array]
const [t8, t9, t10, t11, t12, t13, t14, t15] = tables.slice(8) as [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array]

/** {@link crc32c} by tables alone. */
export const crc32cTables = (bytes: Uint8Array, start: number, end: number, previous = 0): number => {
  let crc = ~previous
  let i = start
  for (const last = end - 15; i < last; i += 16) {
    crc =
      t15[(crc ^ bytes[i]!) & 255]! ^ t14[((crc >>> 8) ^ bytes[i + 1]!) & 255]! ^ t13[((crc >>> 16) ^ bytes[i + 2]!) & 255]! ^ t12[(crc >>> 24) ^ bytes[i + 3]!]! ^
      t11[bytes[i + 4]!]! ^ t10[bytes[i + 5]!]! ^ t9[bytes[i + 6]!]! ^ t8[bytes[i + 7]!]! ^ t7[bytes[i + 8]!]! ^ t6[bytes[i + 9]!]! ^
      t5[bytes[i + 10]!]! ^ t4[bytes[i + 11]!]! ^ t3[bytes[i + 12]!]! ^ t2[bytes[i + 13]!]! ^ t1[bytes[i + 14]!]! ^ t0[bytes[i + 15]!]!
  }
  if (i < end - 7) {
    crc =
      t7[(crc ^ bytes[i]!) & 255]! ^ t6[((crc >>> 8) ^ bytes[i + 1]!) & 255]! ^ t5[((crc >>> 16) ^ bytes[i + 2]!) & 255]! ^ t4[(crc >>> 24) ^ bytes[i + 3]!]! ^
      t3[bytes[i + 4]!]! ^ t2[bytes[i + 5]!]! ^ t1[bytes[i + 6]!]! ^ t0[bytes[i + 7]!]!
    i += 8
  }
  for (; i < end; i++) crc = t0[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8)
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
  return crc32cTables(bytes, start, end, previous)
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
