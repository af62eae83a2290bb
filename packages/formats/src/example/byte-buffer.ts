const FIRST_CAPACITY = 64 * 1024

/** Bytes that grow at the end and are reused: fresh memory costs ten times as much as copying into old. */
export class ByteBuffer {
  /** What was written is `bytes[0..length]`. Replaced when it grows. */
  bytes: Uint8Array = new Uint8Array(FIRST_CAPACITY)
  length = 0

  /** Makes room for `more` bytes after `length`. */
  reserve(more: number): void {
    const need = this.length + more
    if (need <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(need, this.bytes.length * 2))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
  }

  /** Appends bytes. */
  append(more: Uint8Array): void {
    this.reserve(more.length)
    this.bytes.set(more, this.length)
    this.length += more.length
  }

  /** A view of what was written, good until the next write. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  /** Forgets what was written and keeps the memory. */
  clear(): void {
    this.length = 0
  }
}
