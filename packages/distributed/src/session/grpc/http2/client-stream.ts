import type { Headers } from './hpack-decoder.js'
import { FRAME_HEADER_BYTES, flag, frameType, writeFrameHeader } from './frame.js'
import { ReceiveWindow } from './receive-window.js'

/** Of a body that is copied behind the headers. */
const COPY_BYTES = 64 * 2 ** 10

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
   * The frames that come next: the headers if they are to be sent, and so many bytes of the body.
   *
   * @returns one buffer where they are short, because a second write costs more than to copy; otherwise views of the body, with what is between
   */
  frames(withHeaders: boolean, bytes: number, maxFrameBytes: number): readonly Uint8Array[] {
    return bytes <= COPY_BYTES ? [this.#copied(withHeaders, bytes, maxFrameBytes)] : this.#views(withHeaders, bytes, maxFrameBytes)
  }

  #copied(withHeaders: boolean, bytes: number, maxFrameBytes: number): Buffer {
    const headerBytes = withHeaders ? FRAME_HEADER_BYTES + this.#request.block.length : 0
    const out = Buffer.allocUnsafe(headerBytes + bytes + Math.ceil(bytes / maxFrameBytes) * FRAME_HEADER_BYTES)
    if (withHeaders) this.#writeHeaders(out)
    let at = headerBytes
    for (let rest = bytes; rest > 0;) {
      const length = Math.min(rest, maxFrameBytes)
      rest -= length
      this.#writeDataHeader(out, at, length)
      at += FRAME_HEADER_BYTES
      for (const view of this.#take(length)) {
        out.set(view, at)
        at += view.length
      }
    }
    return out
  }

  #views(withHeaders: boolean, bytes: number, maxFrameBytes: number): Uint8Array[] {
    const out: Uint8Array[] = []
    if (withHeaders) {
      const headers = Buffer.allocUnsafe(FRAME_HEADER_BYTES + this.#request.block.length)
      this.#writeHeaders(headers)
      out.push(headers)
    }
    for (let rest = bytes; rest > 0;) {
      const length = Math.min(rest, maxFrameBytes)
      const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES)
      rest -= length
      this.#writeDataHeader(header, 0, length)
      out.push(header, ...this.#take(length))
    }
    return out
  }

  #writeHeaders(out: Buffer): void {
    const { block } = this.#request
    writeFrameHeader(out, 0, block.length, frameType.headers, flag.endHeaders, this.id)
    out.set(block, FRAME_HEADER_BYTES)
  }

  #writeDataHeader(out: Buffer, at: number, length: number): void {
    this.left -= length
    writeFrameHeader(out, at, length, frameType.data, this.left === 0 ? flag.endStream : 0, this.id)
  }

  /** The body's next bytes. */
  *#take(length: number): Generator<Uint8Array> {
    for (let rest = length; rest > 0;) {
      const piece = this.#request.body[this.#piece]!
      const end = Math.min(piece.length, this.#at + rest)
      yield end - this.#at === piece.length ? piece : piece.subarray(this.#at, end)
      rest -= end - this.#at
      this.#at = end
      if (end < piece.length) continue
      this.#piece += 1
      this.#at = 0
    }
  }
}
