/** A message on the wire has a byte that says whether it is compressed, and its length in four (gRPC over HTTP/2, `Length-Prefixed-Message`). */
const PREFIX_BYTES = 5

/** Lengths of TensorFlow's messages are int32. */
export const MAX_MESSAGE_BYTES = 2 ** 31 - 1

/** What stands in front of a message of so many bytes. */
export const messagePrefix = (length: number): Buffer => {
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES)
  prefix[0] = 0
  prefix.writeUInt32BE(length, 1)
  return prefix
}

/** What is wrong with an answer, for people. */
export class FrameError extends Error {}

/** Memory that a message starts with, where it is to be as long. */
const FIRST_BYTES = 64 * 2 ** 10

const NOTHING = Buffer.alloc(0)

/**
 * Puts the one message of an answer together. Its memory grows with what has come, never by what is announced, and it refuses what is
 * longer than that.
 */
export class MessageAssembler {
  readonly #prefix = Buffer.allocUnsafe(PREFIX_BYTES)
  #prefixBytes = 0
  #bytes = NOTHING
  #received = 0
  /** Of the message; `undefined` until the prefix is there. */
  #total: number | undefined

  get isComplete(): boolean {
    return this.#received === this.#total
  }

  /** @param chunk - is copied @throws FrameError for what is no single message without compression */
  add(chunk: Buffer): void {
    const start = this.#total === undefined ? this.#addPrefix(chunk) : 0
    if (start < chunk.length) this.#append(chunk, start)
  }

  /** The message. To be asked when it is complete. */
  message(): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset, this.#received)
  }

  /** @returns where the message begins */
  #addPrefix(chunk: Buffer): number {
    const end = Math.min(chunk.length, PREFIX_BYTES - this.#prefixBytes)
    chunk.copy(this.#prefix, this.#prefixBytes, 0, end)
    this.#prefixBytes += end
    if (this.#prefixBytes === PREFIX_BYTES) this.#total = readPrefix(this.#prefix)
    return end
  }

  #append(chunk: Buffer, start: number): void {
    const total = this.#total!
    const needed = this.#received + chunk.length - start
    if (needed > total) throw new FrameError('it is longer than its length')
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(total, Math.max(FIRST_BYTES, 2 * this.#received))))
      this.#bytes.copy(grown, 0, 0, this.#received)
      this.#bytes = grown
    }
    chunk.copy(this.#bytes, this.#received, start)
    this.#received = needed
  }
}

const readPrefix = (prefix: Buffer): number => {
  if (prefix[0] !== 0) throw new FrameError(prefix[0] === 1 ? 'it is compressed, which was not asked for' : 'it is not framed as gRPC frames messages')
  const length = prefix.readUInt32BE(1)
  if (length > MAX_MESSAGE_BYTES) throw new FrameError(`it is to have ${length} bytes, more than TensorFlow's messages can`)
  return length
}
