/** Memory of a small file. */
const FIRST_BYTES = 64 * 1024

/** Bytes that wait until they are a part; its memory grows with them, to the size of one. */
export class PartBuffer {
  private bytes = new Uint8Array(0)
  private filled = 0

  /** @param size - bytes of a part */
  constructor(readonly size: number) {}

  get length(): number {
    return this.filled
  }

  get isFull(): boolean {
    return this.filled === this.size
  }

  /** Takes as many bytes as there is room for; says how many. */
  add(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, this.size - this.filled)
    const needed = this.filled + taken.length
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.min(this.size, Math.max(needed, FIRST_BYTES, 2 * this.bytes.length)))
      grown.set(this.bytes.subarray(0, this.filled))
      this.bytes = grown
    }
    this.bytes.set(taken, this.filled)
    this.filled = needed
    return taken.length
  }

  /** Hands out the bytes, with their memory, and begins anew. */
  take(): Uint8Array<ArrayBuffer> {
    const part = this.bytes.subarray(0, this.filled)
    this.bytes = new Uint8Array(0)
    this.filled = 0
    return part
  }
}
