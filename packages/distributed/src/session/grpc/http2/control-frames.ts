import { errorCode, ProtocolError } from './error-code.js'
import { DEFAULT_FRAME_BYTES, MAX_INT31, setting } from './frame.js'

/** Readers of the frames that have a fixed form. All throw ProtocolError for another one. */

const requireLength = (what: string, payload: Buffer, isRight: boolean): void => {
  if (!isRight) throw new ProtocolError(errorCode.frameSizeError, `${what} of ${payload.length} bytes`)
}

/** What the peer lets us do. */
export interface PeerSettings {
  readonly maxConcurrentStreams: number
  /** Of the window of each stream. */
  readonly initialWindowSize: number
  readonly maxFrameSize: number
}

/** @returns `before` with what a SETTINGS frame changes */
export const readSettings = (payload: Buffer, before: PeerSettings): PeerSettings => {
  requireLength('settings', payload, payload.length % 6 === 0)
  let { maxConcurrentStreams, initialWindowSize, maxFrameSize } = before
  for (let at = 0; at < payload.length; at += 6) {
    const value = payload.readUInt32BE(at + 2)
    const id = payload.readUInt16BE(at)
    if (id === setting.maxConcurrentStreams) maxConcurrentStreams = value
    else if (id === setting.initialWindowSize) initialWindowSize = value
    else if (id === setting.maxFrameSize) maxFrameSize = value
  }
  if (initialWindowSize > MAX_INT31) throw new ProtocolError(errorCode.flowControlError, `a window of ${initialWindowSize} bytes`)
  if (maxFrameSize < DEFAULT_FRAME_BYTES || maxFrameSize >= 2 ** 24) throw new ProtocolError(errorCode.protocolError, `frames of up to ${maxFrameSize} bytes`)
  return { maxConcurrentStreams, initialWindowSize, maxFrameSize }
}

/** Bytes that a window grows by. */
export const readWindowUpdate = (payload: Buffer): number => {
  requireLength('a window update', payload, payload.length === 4)
  const increment = payload.readUInt32BE() & MAX_INT31
  if (increment === 0) throw new ProtocolError(errorCode.protocolError, 'a window that grows by nothing')
  return increment
}

/** Why a stream ends. */
export const readReset = (payload: Buffer): number => {
  requireLength('a reset', payload, payload.length === 4)
  return payload.readUInt32BE()
}

/** The last stream that the peer has begun to handle, and why it ends the connection. */
export const readGoaway = (payload: Buffer): { readonly lastStream: number; readonly code: number } => {
  requireLength('a GOAWAY', payload, payload.length >= 8)
  return { lastStream: payload.readUInt32BE() & MAX_INT31, code: payload.readUInt32BE(4) }
}

/** Its eight bytes come back in the answer. */
export const checkPing = (payload: Buffer): void => requireLength('a ping', payload, payload.length === 8)

export const checkPriority = (payload: Buffer): void => requireLength('a priority', payload, payload.length === 5)

/** Of a frame that answers settings. */
export const checkSettingsAnswer = (payload: Buffer): void => requireLength('an answer to settings', payload, payload.length === 0)
