import { errorCode, ProtocolError } from './error-code.js'
import { flag, FRAME_HEADER_BYTES, frameType } from './frame.js'

/**
 * Frames other than DATA are kept until they are whole. None that means anything is as long as this: a list of headers has a limit, and the
 * rest is small.
 */
export const MAX_CONTROL_BYTES = 64 * 2 ** 10

/** Frames of a later HTTP/2, or of an extension, are to be passed over, however long. */
const LAST_TYPE = frameType.continuation

const NOTHING = Buffer.alloc(0)

/** Whom a reader tells. What is in a buffer is to be used before the call returns: the memory comes again. */
export interface FrameSink {
  /** A frame other than DATA, whole. */
  onFrame(type: number, flags: number, stream: number, payload: Buffer): void
  /** A DATA frame begins. @param length - of the whole, which windows count, padding included */
  onDataStart(stream: number, length: number): void
  onData(stream: number, piece: Buffer): void
  /** @param isLast - nothing more comes on the stream */
  onDataEnd(stream: number, isLast: boolean): void
}

/** Takes what comes from a connection apart into frames, in pieces of any size. DATA is passed on as it comes. */
export class FrameReader {
  readonly #sink: FrameSink
  readonly #maxFrameBytes: number
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES)
  #headerBytes = 0
  #type = 0
  #flags = 0
  #stream = 0
  /** Bytes of the frame that are to come, without padding. */
  #left = 0
  /** Behind them. */
  #padding = 0
  #lacksPadLength = false
  /** A frame other than DATA of which a part has come. */
  #payload: Buffer = NOTHING
  #payloadBytes = 0
  #isStopped = false

  /** @param maxFrameBytes - that the peer was told */
  constructor(maxFrameBytes: number, sink: FrameSink) {
    this.#maxFrameBytes = maxFrameBytes
    this.#sink = sink
  }

  /** @throws ProtocolError, after which nothing can be read any more */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.#isStopped;) {
      if (this.#headerBytes < FRAME_HEADER_BYTES) at = this.#readHeader(chunk, at)
      else if (this.#type === frameType.data) at = this.#readData(chunk, at)
      else at = this.#readPayload(chunk, at)
    }
  }

  /** Nothing more is told. */
  stop(): void {
    this.#isStopped = true
  }

  #readHeader(chunk: Buffer, at: number): number {
    if (this.#headerBytes === 0 && chunk.length - at >= FRAME_HEADER_BYTES) {
      this.#start(chunk, at)
      return at + FRAME_HEADER_BYTES
    }
    const end = Math.min(chunk.length, at + FRAME_HEADER_BYTES - this.#headerBytes)
    chunk.copy(this.#header, this.#headerBytes, at, end)
    this.#headerBytes += end - at
    if (this.#headerBytes === FRAME_HEADER_BYTES) this.#start(this.#header, 0)
    return end
  }

  #start(bytes: Buffer, at: number): void {
    const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
    if (length > this.#maxFrameBytes) throw new ProtocolError(errorCode.frameSizeError, `a frame of ${length} bytes`)
    this.#headerBytes = FRAME_HEADER_BYTES
    this.#type = bytes[at + 3]!
    this.#flags = bytes[at + 4]!
    this.#stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff
    this.#left = length
    if (this.#type === frameType.data) return this.#startData(length)
    if (this.#type <= LAST_TYPE && length > MAX_CONTROL_BYTES) throw new ProtocolError(errorCode.enhanceYourCalm, `a frame of type ${this.#type} has ${length} bytes`)
    if (length === 0) this.#end(NOTHING)
  }

  #startData(length: number): void {
    this.#lacksPadLength = (this.#flags & flag.padded) !== 0
    if (this.#lacksPadLength && length === 0) throw new ProtocolError(errorCode.frameSizeError, 'a padded frame without a length of its padding')
    this.#sink.onDataStart(this.#stream, length)
    if (length === 0) this.#endData()
  }

  #readData(chunk: Buffer, at: number): number {
    if (this.#lacksPadLength) {
      this.#startPadding(chunk[at]!)
      return at + 1
    }
    if (this.#left > 0) {
      const end = Math.min(chunk.length, at + this.#left)
      this.#left -= end - at
      this.#sink.onData(this.#stream, chunk.subarray(at, end))
      if (this.#left === 0 && this.#padding === 0) this.#endData()
      return end
    }
    const end = Math.min(chunk.length, at + this.#padding)
    this.#padding -= end - at
    if (this.#padding === 0) this.#endData()
    return end
  }

  #startPadding(length: number): void {
    this.#lacksPadLength = false
    this.#left -= 1 + length
    if (this.#left < 0) throw new ProtocolError(errorCode.protocolError, 'padding that is longer than its frame')
    this.#padding = length
    if (this.#left === 0 && length === 0) this.#endData()
  }

  #endData(): void {
    this.#headerBytes = 0
    this.#sink.onDataEnd(this.#stream, (this.#flags & flag.endStream) !== 0)
  }

  #readPayload(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left)
    const isWhole = end - at === this.#left
    this.#left -= end - at
    if (this.#type > LAST_TYPE) {
      if (isWhole) this.#end(NOTHING)
    } else if (isWhole && this.#payloadBytes === 0) this.#end(chunk.subarray(at, end))
    else {
      this.#keep(chunk, at, end)
      if (isWhole) this.#end(this.#payload.subarray(0, this.#payloadBytes))
    }
    return end
  }

  #keep(chunk: Buffer, at: number, end: number): void {
    if (this.#payloadBytes === 0) this.#payload = Buffer.allocUnsafe(end - at + this.#left)
    chunk.copy(this.#payload, this.#payloadBytes, at, end)
    this.#payloadBytes += end - at
  }

  #end(payload: Buffer): void {
    this.#headerBytes = 0
    this.#payload = NOTHING
    this.#payloadBytes = 0
    this.#sink.onFrame(this.#type, this.#flags, this.#stream, payload)
  }
}
