/**
 * Widest window that is taken, as zstd's own tools have it without `--long`: a decompressor allocates it for each frame because the
 * header says so.
 */
export const MAX_ZSTD_WINDOW = 128 * 1024 * 1024

/**
 * Windows of all frames together, as a multiple of the bytes that were read, once they are beyond 256 MiB: of many frames of a few bytes, each
 * could ask for the widest one.
 */
const MAX_WINDOWS = 1000
const WINDOWS_GRACE = 2 ** 28

const MAGIC = 0xfd2fb528
const SKIPPABLE = 0x184d2a50
/** Of a block's content, and so of what a block inflates to (RFC 8878, 3.1.1.2.4). */
const MAX_BLOCK = 128 * 1024

/** A part of a zstd file. */
export type ZstdPiece =
  | { readonly kind: 'head' | 'block'; readonly bytes: Uint8Array; readonly isLast: boolean }
  | { readonly kind: 'checksum'; /** Lower half of the content's XXH64. */ readonly value: number }

/**
 * Cuts a zstd file into headers of frames, blocks and checksums, without inflating any.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8878
 */
export class ZstdFrames {
  /** Whether the current frame carries a checksum of its content. */
  hasChecksum = false
  private bytes: Uint8Array = new Uint8Array(0)
  private at = 0
  private state: 'frame' | 'block' | 'checksum' = 'frame'
  /** Bytes of a skippable frame that are still to come. */
  private skip = 0
  private read = 0
  private windows = 0

  /** Hands over bytes. They must stay as they are until {@link next} says `undefined`. */
  push(chunk: Uint8Array): void {
    const { left } = this
    this.read += chunk.length
    if (left === 0) this.bytes = chunk
    else {
      const joined = new Uint8Array(left + chunk.length)
      joined.set(this.bytes.subarray(this.at))
      joined.set(chunk, left)
      this.bytes = joined
    }
    this.at = 0
  }

  /** True where the file may end. */
  get isWhole(): boolean {
    return this.state === 'frame' && this.skip === 0 && this.at === this.bytes.length
  }

  /** The next piece, or `undefined` when more bytes are needed. @throws Error for what is no zstd, or must not be read */
  next(): ZstdPiece | undefined {
    for (;;) {
      if (this.skip > 0) {
        const step = Math.min(this.skip, this.left)
        this.at += step
        this.skip -= step
        if (this.skip > 0) return undefined
      }
      if (this.state === 'block') return this.block()
      if (this.state === 'checksum') return this.checksum()
      if (this.left < 8) return this.left >= 4 && !this.isMagic() ? this.refuse() : undefined
      if (!this.isSkippable()) return this.head()
      this.skip = 8 + this.word(4)
    }
  }

  private get left(): number {
    return this.bytes.length - this.at
  }

  private word(offset: number): number {
    const { bytes, at } = this
    const i = at + offset
    return (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)) >>> 0
  }

  private isSkippable(): boolean {
    return (this.word(0) & 0xfffffff0) >>> 0 === SKIPPABLE
  }

  private isMagic(): boolean {
    return this.word(0) === MAGIC || this.isSkippable()
  }

  private refuse(): never {
    throw new Error('no frame begins where one is due')
  }

  private head(): ZstdPiece | undefined {
    if (this.word(0) !== MAGIC) this.refuse()
    const { bytes, at } = this
    const descriptor = bytes[at + 4]!
    const isSingle = (descriptor & 0x20) !== 0
    const dictionary = [0, 1, 2, 4][descriptor & 3]!
    const sizeFlag = descriptor >> 6
    const sizeBytes = sizeFlag === 0 ? (isSingle ? 1 : 0) : 1 << sizeFlag
    const length = 5 + (isSingle ? 0 : 1) + dictionary + sizeBytes
    if (this.left < length) return undefined
    if ((descriptor & 8) !== 0) throw new Error('a reserved bit of a header is set')
    if (bytes.subarray(at + length - sizeBytes - dictionary, at + length - sizeBytes).some((byte) => byte !== 0)) throw new Error('it needs a dictionary')
    const window = isSingle ? this.contentSize(length - sizeBytes, sizeBytes) : windowOf(bytes[at + 5]!)
    if (window > MAX_ZSTD_WINDOW) throw new Error(`a frame needs a window of ${window} bytes, and at most ${MAX_ZSTD_WINDOW} are given`)
    this.windows += window
    if (this.windows > WINDOWS_GRACE && this.windows > MAX_WINDOWS * this.read) throw new Error('its frames need windows far beyond their sizes')
    this.hasChecksum = (descriptor & 4) !== 0
    this.at += length
    this.state = 'block'
    return { kind: 'head', bytes: bytes.subarray(at, at + length), isLast: false }
  }

  private contentSize(offset: number, sizeBytes: number): number {
    let size = 0
    for (let i = sizeBytes - 1; i >= 0; i--) size = size * 256 + this.bytes[this.at + offset + i]!
    return sizeBytes === 2 ? size + 256 : size
  }

  private block(): ZstdPiece | undefined {
    if (this.left < 3) return undefined
    const { bytes, at } = this
    const header = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
    const [type, size] = [(header >> 1) & 3, header >> 3]
    if (type === 3 || size > MAX_BLOCK) throw new Error('a block has a header that there is not')
    const length = 3 + (type === 1 ? 1 : size)
    if (this.left < length) return undefined
    const isLast = (header & 1) === 1
    this.at += length
    if (isLast) this.state = this.hasChecksum ? 'checksum' : 'frame'
    return { kind: 'block', bytes: bytes.subarray(at, at + length), isLast }
  }

  private checksum(): ZstdPiece | undefined {
    if (this.left < 4) return undefined
    const value = this.word(0)
    this.at += 4
    this.state = 'frame'
    return { kind: 'checksum', value }
  }
}

const windowOf = (byte: number): number => {
  const base = 2 ** (10 + (byte >> 3))
  return base + (base / 8) * (byte & 7)
}
