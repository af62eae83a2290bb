import type { Headers } from './hpack-decoder.js'
import { FRAME_HEADER_BYTES, flag, frameType, writeFrameHeader } from './frame.js'
import { ReceiveWindow } from './receive-window.js'

/** What a stream tells: in this order, and one of the last three once. */
export interface StreamEvents {
  /** Of the answer, then its trailers, if there are any. */
  onHeaders(headers: Headers): void
  /** @param piece - to be copied: its memory comes again */
  onData(piece: Buffer): void
  /** The answer is whole. */
  onEnd(): void
  /** This stream ends, and the connection goes on. @param code - of HTTP/2 */
  onReset(code: number): void
  /** The connection has ended. @param reason - for people */
  onGone(reason: string): void
}

/** What is asked: a block of headers, and a body in pieces, of which there is at least a byte. */
export interface StreamRequest {
  readonly block: Buffer
  readonly body: readonly Uint8Array[]
}

/** A request of which parts may have been sent, and the state of its answer. */
export class ClientStream {
  /** 0 until its headers are sent. */
  id = 0
  /** Bytes that the peer lets us send; less than 0 where it has taken some back. */
  window = 0
  /** Bytes of the body that are to be sent. */
  left: number
  hasAnswer = false
  readonly received: ReceiveWindow
  readonly #request: StreamRequest
  #piece = 0
  #at = 0

  constructor(
    request: StreamRequest,
    readonly events: StreamEvents,
    receiveBytes: number,
  ) {
    this.#request = request
    this.left = request.body.reduce((sum, piece) => sum + piece.length, 0)
    this.received = new ReceiveWindow(receiveBytes)
  }

  /**
   * The frames that come next: the headers if they are to be sent, and so many bytes of the body. One buffer, because a second write costs more
   * than to copy.
   */
  frames(withHeaders: boolean, bytes: number, maxFrameBytes: number): Buffer {
    const { block } = this.#request
    const headerBytes = withHeaders ? FRAME_HEADER_BYTES + block.length : 0
    const out = Buffer.allocUnsafe(headerBytes + bytes + Math.ceil(bytes / maxFrameBytes) * FRAME_HEADER_BYTES)
    if (withHeaders) {
      writeFrameHeader(out, 0, block.length, frameType.headers, flag.endHeaders, this.id)
      out.set(block, FRAME_HEADER_BYTES)
    }
    let at = headerBytes
    for (let rest = bytes; rest > 0;) {
      const length = Math.min(rest, maxFrameBytes)
      rest -= length
      this.left -= length
      writeFrameHeader(out, at, length, frameType.data, this.left === 0 ? flag.endStream : 0, this.id)
      this.#copy(out, at + FRAME_HEADER_BYTES, length)
      at += FRAME_HEADER_BYTES + length
    }
    return out
  }

  #copy(out: Buffer, at: number, length: number): void {
    for (let done = 0; done < length;) {
      const piece = this.#request.body[this.#piece]!
      const take = Math.min(length - done, piece.length - this.#at)
      out.set(take === piece.length ? piece : piece.subarray(this.#at, this.#at + take), at + done)
      done += take
      this.#at += take
      if (this.#at < piece.length) continue
      this.#piece += 1
      this.#at = 0
    }
  }
}
