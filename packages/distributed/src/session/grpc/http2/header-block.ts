import { errorCode, ProtocolError } from './error-code.js'
import { flag } from './frame.js'

/** Number of the stream that another one depends on, and its weight. Nobody uses them any more. */
const PRIORITY_BYTES = 5
/** Of a block as it comes, in all of its frames. */
const MAX_BLOCK_BYTES = 64 * 2 ** 10

const fragmentOf = (flags: number, payload: Buffer): Buffer => {
  const isPadded = (flags & flag.padded) !== 0
  const start = (isPadded ? 1 : 0) + ((flags & flag.priority) === 0 ? 0 : PRIORITY_BYTES)
  const end = payload.length - (isPadded ? (payload[0] ?? 0) : 0)
  if (start > end) throw new ProtocolError(errorCode.protocolError, 'a frame of headers that is shorter than its padding')
  return payload.subarray(start, end)
}

/** A block of headers, which begins with HEADERS, and goes on with CONTINUATION until it is whole. Nothing may come between. */
export class HeaderBlock {
  readonly isEndStream: boolean
  readonly #fragments: Buffer[] = []
  #bytes = 0

  /** @throws ProtocolError */
  constructor(
    readonly stream: number,
    flags: number,
    payload: Buffer,
  ) {
    this.isEndStream = (flags & flag.endStream) !== 0
    this.#add(fragmentOf(flags, payload), flags)
  }

  /** @throws ProtocolError */
  continue(stream: number, flags: number, payload: Buffer): void {
    if (stream !== this.stream) throw new ProtocolError(errorCode.protocolError, 'headers of two streams mixed')
    // A peer could go on for ever with frames in which nothing is.
    if (payload.length === 0 && (flags & flag.endHeaders) === 0) throw new ProtocolError(errorCode.enhanceYourCalm, 'headers that go on with nothing')
    this.#add(payload, flags)
  }

  /** The block when it is whole, a view of the last frame where it is in one. */
  get bytes(): Buffer {
    return this.#fragments.length === 1 ? this.#fragments[0]! : Buffer.concat(this.#fragments)
  }

  #add(fragment: Buffer, flags: number): void {
    this.#bytes += fragment.length
    if (this.#bytes > MAX_BLOCK_BYTES) throw new ProtocolError(errorCode.enhanceYourCalm, 'headers that are too long')
    // The memory of a frame comes again.
    this.#fragments.push((flags & flag.endHeaders) === 0 ? Buffer.from(fragment) : fragment)
  }
}
