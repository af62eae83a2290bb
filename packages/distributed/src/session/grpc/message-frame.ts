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

/** Memory that a message of several pieces starts with. */
const FIRST_BYTES = 64 * 2 ** 10

/**
 * Puts the one message of an answer together. Its memory grows with what has come, never by what is announced, and it refuses what is
 * longer than that.
 */
export class MessageAssembler {
  #bytes: Buffer = Buffer.alloc(0)
  #received = 0
  /** Of the prefix and the message; `undefined` until the prefix is there. */
  #total: number | undefined

  get isComplete(): boolean {
    return this.#received === this.#total
  }

  /** @throws FrameError for what is no single message without compression */
  add(chunk: Buffer): void {
    if (this.#received === 0) this.#bytes = chunk
    else this.#append(chunk)
    this.#received += chunk.length
    if (this.#total === undefined && this.#received >= PREFIX_BYTES) this.#total = PREFIX_BYTES + readPrefix(this.#bytes)
    if (this.#total !== undefined && this.#received > this.#total) throw new FrameError('it is longer than its length')
  }

  /** The message, a view where it came in one piece. To be asked when it is complete. */
  message(): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + PREFIX_BYTES, this.#received - PREFIX_BYTES)
  }

  #append(chunk: Buffer): void {
    const needed = this.#received + chunk.length
    if (this.#total !== undefined && needed > this.#total) throw new FrameError('it is longer than its length')
    // The first piece is the server's memory, not ours to write behind.
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(this.#total ?? Infinity, Math.max(FIRST_BYTES, 2 * this.#received))))
      this.#bytes.copy(grown, 0, 0, this.#received)
      this.#bytes = grown
    }
    chunk.copy(this.#bytes, this.#received)
  }
}

const readPrefix = (prefix: Buffer): number => {
  if (prefix[0] !== 0) throw new FrameError(prefix[0] === 1 ? 'it is compressed, which was not asked for' : 'it is not framed as gRPC frames messages')
  const length = prefix.readUInt32BE(1)
  if (length > MAX_MESSAGE_BYTES) throw new FrameError(`it is to have ${length} bytes, more than TensorFlow's messages can`)
  return length
}
