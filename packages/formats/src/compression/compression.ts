import { requireOneOf } from '@millrace/core'
import { FRAME_HEADER, headerHolds } from '../tfrecord/frame.js'

/** How the bytes of a TFRecord file are packed, by TensorFlow's names (`TFRecordOptions`). */
export type Compression = 'none' | 'gzip' | 'zlib'

/** How text files are packed: brotli (`br`) and Zstandard (`zst`) are known by the ends of their names. */
export type TextCompression = Compression | 'br' | 'zst'

/** For callers whom the compiler does not check: any other word would be taken for zlib. @throws `Usage` */
export const requireCompression = (value: Compression): Compression => requireOneOf('compression', value, ['none', 'gzip', 'zlib'])

/** The same for text. @throws `Usage` */
export const requireTextCompression = (value: TextCompression): TextCompression => requireOneOf('compression', value, ['none', 'gzip', 'zlib', 'br', 'zst'])

/** What a packer takes and gives at a time: with Node's default of 16 KiB each step costs more than the packing. */
export const CHUNK_BYTES = 1024 * 1024

/**
 * The packing of a file by its first bytes (12 are enough, fewer only where the file has no more).
 *
 * A TFRecord header that carries its own checksum comes first: a record of 376 bytes begins like a zlib stream.
 */
export const guessCompression = (head: Uint8Array): Compression => {
  if (head.length >= FRAME_HEADER && headerHolds(head, 0)) return 'none'
  if (isGzip(head)) return 'gzip'
  return isZlib(head) ? 'zlib' : 'none'
}

/** RFC 1950: method 8, a window of at most 32 KiB, and a check that makes the two bytes a multiple of 31. */
const isZlib = (head: Uint8Array): boolean => head.length >= 2 && (head[0]! & 15) === 8 && head[0]! >> 4 <= 7 && ((head[0]! << 8) | head[1]!) % 31 === 0

const isGzip = (head: Uint8Array): boolean => head[0] === 0x1f && head[1] === 0x8b && head[2] === 8

/** Little-endian 0xFD2FB528 (RFC 8878). */
const isZstd = (head: Uint8Array): boolean => head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd

/** Bytes that {@link guessTextCompression} looks at. */
export const TEXT_MAGIC_BYTES = 4

/**
 * The packing of a text file by its first bytes. No text begins as gzip or zstd do. Of zlib only the header of the usual level is
 * taken, which no UTF-8 begins with; brotli has no mark at all.
 */
export const guessTextCompression = (head: Uint8Array): 'gzip' | 'zlib' | 'zst' | undefined => {
  if (isGzip(head)) return 'gzip'
  if (isZstd(head)) return 'zst'
  return head[0] === 0x78 && head[1] === 0x9c ? 'zlib' : undefined
}

/** Whether data of a packing begins so; brotli says nothing. */
export const mayBe = (compression: Exclude<TextCompression, 'none'>, head: Uint8Array): boolean => {
  if (compression === 'gzip') return isGzip(head)
  if (compression === 'zlib') return isZlib(head)
  // Skippable frames begin with 0x184D2A50 to 0x184D2A5F.
  return compression === 'br' || isZstd(head) || (head[0]! >> 4 === 5 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18)
}

const nameEndings: readonly (readonly [RegExp, TextCompression])[] = [
  [/\.gz(ip)?$/i, 'gzip'],
  [/\.br$/i, 'br'],
  [/\.zstd?$/i, 'zst'],
  // Hadoop's DefaultCodec, and what people call files of zlib.
  [/\.(deflate|zz|zlib)$/i, 'zlib'],
]

/** The packing that the end of a name or URL tells. */
export const compressionOfName = (url: string): TextCompression | undefined => {
  const name = url.replace(/[?#].*$/, '')
  return nameEndings.find(([ending]) => ending.test(name))?.[1]
}

/** What names of packed files in folders end in, as Hadoop's codecs are named. */
export const packedEnding = (compression: TextCompression): string => ({ none: '', gzip: '.gz', zlib: '.deflate', br: '.br', zst: '.zst' })[compression]
