/** Frames as they are on the wire (RFC 9113, sections 4 and 6). */
export const frameType = {
  data: 0, headers: 1, priority: 2, rstStream: 3, settings: 4, pushPromise: 5, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9,
} as const

export const flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const

export const setting = { enablePush: 2, maxConcurrentStreams: 3, initialWindowSize: 4, maxFrameSize: 5, maxHeaderListSize: 6 } as const

/** Length in 24 bits, type, flags, and the number of the stream in 31 bits. */
export const FRAME_HEADER_BYTES = 9

/** What either side may send in one frame before the other has said more, and the least that it may say. */
export const DEFAULT_FRAME_BYTES = 2 ** 14

/** What either side may send before the other has said more. */
export const DEFAULT_WINDOW_BYTES = 2 ** 16 - 1

/** Windows and numbers of streams have 31 bits. */
export const MAX_INT31 = 2 ** 31 - 1

export const writeFrameHeader = (bytes: Buffer, at: number, length: number, type: number, flags: number, stream: number): void => {
  bytes[at] = length >>> 16
  bytes[at + 1] = length >>> 8
  bytes[at + 2] = length
  bytes[at + 3] = type
  bytes[at + 4] = flags
  bytes.writeUInt32BE(stream, at + 5)
}

/** A frame that is short. */
export const encodeFrame = (type: number, flags: number, stream: number, payload: Uint8Array): Buffer => {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length)
  writeFrameHeader(bytes, 0, payload.length, type, flags, stream)
  bytes.set(payload, FRAME_HEADER_BYTES)
  return bytes
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Lets the peer send so many bytes more: on a stream, or on the connection, which is stream 0. */
export const encodeWindowUpdate = (stream: number, increment: number): Buffer => encodeFrame(frameType.windowUpdate, 0, stream, uint32(increment))

export const encodeReset = (stream: number, code: number): Buffer => encodeFrame(frameType.rstStream, 0, stream, uint32(code))

/** @param settings - numbers of settings and their values */
export const encodeSettings = (settings: readonly (readonly [id: number, value: number])[]): Buffer => {
  const payload = Buffer.allocUnsafe(settings.length * 6)
  settings.forEach(([id, value], index) => {
    payload.writeUInt16BE(id, index * 6)
    payload.writeUInt32BE(value, index * 6 + 2)
  })
  return encodeFrame(frameType.settings, 0, 0, payload)
}

/** The last word to a peer that breaks the rules. A server starts no streams, so that the last one is always 0. */
export const encodeGoaway = (code: number): Buffer => encodeFrame(frameType.goaway, 0, 0, Buffer.concat([uint32(0), uint32(code)]))
