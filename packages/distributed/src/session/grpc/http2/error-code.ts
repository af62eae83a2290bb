/** Why a stream or a connection ends (RFC 9113, section 7). */
export const errorCode = {
  noError: 0, protocolError: 1, internalError: 2, flowControlError: 3, streamClosed: 5, frameSizeError: 6, refusedStream: 7, cancel: 8, compressionError: 9,
  enhanceYourCalm: 11, inadequateSecurity: 12,
} as const

/** The peer does what HTTP/2 forbids, or more than we let it: the connection ends, with this code. */
export class ProtocolError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message)
  }
}
