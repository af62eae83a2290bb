/** A message on the wire has a byte that says whether it is compressed, and its length in four (gRPC over HTTP/2, `Length-Prefixed-Message`). */
export const PREFIX_BYTES = 5

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

/**
 * Puts the one message of an answer together. It holds no more than has come, and refuses what is longer than it said, so that a
 * server cannot make us allocate by a number.
 */
export class MessageAssembler {
  readonly #chunks: Buffer[] = []
  #received = 0
  /** Of the prefix and the message; `undefined` until the prefix is there. */
  #total: number | undefined

  get isComplete(): boolean {
    return this.#received === this.#total
  }

  /** @throws FrameError for what is no single message without compression */
  add(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#received += chunk.length
    if (this.#total === undefined && this.#received >= PREFIX_BYTES) this.#total = this.#readPrefix()
    if (this.#total !== undefined && this.#received > this.#total) throw new FrameError('it is longer than its length')
  }

  /** The message, a view where it came in one piece. To be asked when it is complete. */
  message(): Uint8Array {
    const whole = this.#whole()
    return new Uint8Array(whole.buffer, whole.byteOffset + PREFIX_BYTES, whole.length - PREFIX_BYTES)
  }

  #readPrefix(): number {
    const prefix = this.#whole()
    if (prefix[0] !== 0) throw new FrameError(prefix[0] === 1 ? 'it is compressed, which was not asked for' : 'it is not framed as gRPC frames messages')
    const length = prefix.readUInt32BE(1)
    if (length > MAX_MESSAGE_BYTES) throw new FrameError(`it is to have ${length} bytes, more than TensorFlow's messages can`)
    return PREFIX_BYTES + length
  }

  #whole(): Buffer {
    return this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#received)
  }
}
