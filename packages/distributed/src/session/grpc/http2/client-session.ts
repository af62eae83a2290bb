import type { Socket } from 'node:net'
import { ClientStream, type StreamEvents, type StreamRequest } from './client-stream.js'
import { checkPing, checkPriority, checkSettingsAnswer, readGoaway, readReset, readSettings, readWindowUpdate, type PeerSettings } from './control-frames.js'
import { errorCode, ProtocolError } from './error-code.js'
import {
  DEFAULT_FRAME_BYTES, DEFAULT_WINDOW_BYTES, encodeFrame, encodeGoaway, encodeReset, encodeSettings, encodeWindowUpdate, flag, frameType, MAX_INT31, setting,
} from './frame.js'
import { FrameReader, type FrameSink } from './frame-reader.js'
import { HeaderBlock } from './header-block.js'
import { HeaderDecoder } from './hpack-decoder.js'
import { ReceiveWindow } from './receive-window.js'

/** So that a large tensor does not come in pieces of 64 KiB that each wait for an answer. */
const STREAM_WINDOW_BYTES = 8 * 2 ** 20
/** For several of them at once. */
const CONNECTION_WINDOW_BYTES = 32 * 2 ** 20
/** Frames that a server may send: fewer, larger ones cost less. */
const MAX_FRAME_BYTES = 2 ** 20
/** Headers of an answer. Servers of gRPC send 8 KiB at most, messages of errors among them. */
const MAX_HEADER_LIST_BYTES = 64 * 2 ** 10
/** A stream sends so much before it is the next one's turn: streams share the connection, and no turn takes long. */
const TURN_BYTES = 128 * 2 ** 10
/** Bytes that wait in the socket: enough for the system to send, little in front of those who come. */
const MAX_QUEUED_BYTES = 256 * 2 ** 10
/** Answers to pings and settings that the peer makes us owe it and does not take. */
const MAX_REPLIES = 1000
/** Numbers of streams are odd and have 31 bits. Long before they end, a new connection is to be made. */
const MAX_STREAM = 2 ** 30

const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
  encodeSettings([
    [setting.enablePush, 0], [setting.initialWindowSize, STREAM_WINDOW_BYTES], [setting.maxFrameSize, MAX_FRAME_BYTES], [setting.maxHeaderListSize, MAX_HEADER_LIST_BYTES],
  ]),
  encodeWindowUpdate(0, CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES),
])
const SETTINGS_ANSWER = encodeFrame(frameType.settings, flag.ack, 0, Buffer.alloc(0))
const PING = Buffer.alloc(8)

const misplaced = (what: string): ProtocolError => new ProtocolError(errorCode.protocolError, what)

/** What a session tells. */
export interface SessionEvents {
  /** The peer has answered as one of HTTP/2. */
  onReady(): void
  /** It takes no streams any more; those that are open end by themselves. @param code - of the peer's GOAWAY */
  onGoaway(code: number): void
  /** One stream less is open. */
  onStreamEnd(): void
  /** The peer breaks the rules. The session has to be destroyed. @param reason - for people */
  onError(reason: string): void
}

/**
 * The client's side of HTTP/2 (RFC 9113) on a socket: requests with a body, answers, flow control both ways. It sends what it has in as few
 * writes as it can, takes memory by what has come, and ends at the first frame that is not as it should be.
 */
export class ClientSession implements FrameSink {
  readonly #socket: Socket
  readonly #events: SessionEvents
  readonly #reader = new FrameReader(MAX_FRAME_BYTES, this)
  readonly #decoder = new HeaderDecoder(MAX_HEADER_LIST_BYTES)
  readonly #received = new ReceiveWindow(CONNECTION_WINDOW_BYTES)
  /** Those whose headers are sent, by number. */
  readonly #streams = new Map<number, ClientStream>()
  /** Those of which something is to be sent. Those that have no number yet are the last. */
  readonly #sending = new Set<ClientStream>()
  #peer: PeerSettings = { maxConcurrentStreams: Infinity, initialWindowSize: DEFAULT_WINDOW_BYTES, maxFrameSize: DEFAULT_FRAME_BYTES }
  #window = DEFAULT_WINDOW_BYTES
  #nextStream = 1
  #isReady = false
  #isRetired = false
  /** The peer begins no streams any more. */
  #isEnding = false
  #isGone = false
  #block: HeaderBlock | undefined
  #pings: (() => void)[] = []
  #replies = 0

  constructor(socket: Socket, events: SessionEvents) {
    this.#socket = socket
    this.#events = events
    socket.on('drain', this.#pump)
    socket.write(PREFACE)
  }

  /** Whether it takes streams. */
  get isUsable(): boolean {
    return !this.#isRetired && !this.#isEnding && !this.#isGone && this.#nextStream < MAX_STREAM
  }

  /** Sends a request. The session has to be usable. */
  request(request: StreamRequest, events: StreamEvents): ClientStream {
    const stream = new ClientStream(request, events, STREAM_WINDOW_BYTES)
    this.#sending.add(stream)
    this.#pump()
    return stream
  }

  /** Ends a stream without a word to its owner, and tells the peer to stop. Nothing happens to one that has ended. */
  cancel(stream: ClientStream): void {
    if (this.#streams.has(stream.id)) this.#socket.write(encodeReset(stream.id, errorCode.cancel))
    else if (!this.#sending.has(stream)) return
    this.#forget(stream)
  }

  /** @param onAnswer - called when the peer has answered */
  ping(onAnswer: () => void): void {
    this.#pings.push(onAnswer)
    this.#socket.write(encodeFrame(frameType.ping, 0, 0, PING))
  }

  /** Takes no more streams. */
  retire(): void {
    this.#isRetired = true
  }

  /** Reads what has come. The memory may be used again afterwards. */
  read(chunk: Buffer): void {
    if (this.#isGone) return
    try {
      this.#reader.push(chunk)
    } catch (thrown) {
      if (!(thrown instanceof ProtocolError)) throw thrown
      this.#socket.write(encodeGoaway(thrown.code))
      this.#events.onError(this.#isReady ? `the server breaks HTTP/2: ${thrown.message}` : 'the server does not speak HTTP/2')
    }
  }

  /** Ends all streams. The socket is its owner's to end. */
  destroy(reason: string): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#reader.stop()
    this.#end([...this.#streams.values(), ...this.#sending], reason)
  }

  onFrame(type: number, flags: number, stream: number, payload: Buffer): void {
    if (!this.#isReady && (type !== frameType.settings || (flags & flag.ack) !== 0)) throw misplaced('no settings come first')
    if (this.#block !== undefined && type !== frameType.continuation) throw misplaced('headers that do not go on')
    switch (type) {
      case frameType.headers: return this.#onBlock(new HeaderBlock(this.#known(stream), flags, payload), flags)
      case frameType.continuation: return this.#onContinuation(stream, flags, payload)
      case frameType.rstStream: return this.#onReset(this.#known(stream), readReset(payload))
      case frameType.windowUpdate: return this.#onWindowUpdate(stream, readWindowUpdate(payload))
      case frameType.priority: return checkPriority(payload)
      case frameType.pushPromise: throw misplaced('a promise of what was not asked for')
      case frameType.settings: case frameType.ping: case frameType.goaway: return this.#onConnectionFrame(type, flags, stream, payload)
    }
  }

  onDataStart(id: number, length: number): void {
    if (!this.#isReady) throw misplaced('no settings come first')
    if (this.#block !== undefined) throw misplaced('headers that do not go on')
    const more = this.#received.take(length)
    if (more > 0) this.#socket.write(encodeWindowUpdate(0, more))
    const stream = this.#streams.get(this.#known(id))
    if (stream === undefined) return
    if (!stream.hasAnswer) throw misplaced('data before headers')
    const moreOfStream = stream.received.take(length)
    if (moreOfStream > 0) this.#socket.write(encodeWindowUpdate(id, moreOfStream))
  }

  onData(id: number, piece: Buffer): void {
    this.#streams.get(id)?.events.onData(piece)
  }

  onDataEnd(id: number, isLast: boolean): void {
    const stream = isLast ? this.#streams.get(id) : undefined
    if (stream !== undefined) this.#finish(stream)
  }

  #onConnectionFrame(type: number, flags: number, stream: number, payload: Buffer): void {
    if (stream !== 0) throw misplaced('a frame of the connection on a stream')
    const isAnswer = (flags & flag.ack) !== 0
    if (type === frameType.goaway) return this.#onGoaway(payload)
    if (type === frameType.ping) {
      checkPing(payload)
      if (isAnswer) this.#pings.shift()?.()
      else this.#reply(encodeFrame(frameType.ping, flag.ack, 0, payload))
    } else if (isAnswer) checkSettingsAnswer(payload)
    else this.#onSettings(readSettings(payload, this.#peer))
  }

  #onSettings(settings: PeerSettings): void {
    const grown = settings.initialWindowSize - this.#peer.initialWindowSize
    this.#peer = settings
    for (const stream of this.#streams.values()) this.#widen(stream, grown)
    this.#reply(SETTINGS_ANSWER)
    if (!this.#isReady) {
      this.#isReady = true
      this.#events.onReady()
    }
    this.#pump()
  }

  #onWindowUpdate(id: number, increment: number): void {
    if (id !== 0) {
      const stream = this.#streams.get(this.#known(id))
      if (stream !== undefined) this.#widen(stream, increment)
    } else if ((this.#window += increment) > MAX_INT31) throw new ProtocolError(errorCode.flowControlError, 'a window that is too large')
    this.#pump()
  }

  #widen(stream: ClientStream, bytes: number): void {
    stream.window += bytes
    if (stream.window > MAX_INT31) throw new ProtocolError(errorCode.flowControlError, 'a window that is too large')
  }

  #onGoaway(payload: Buffer): void {
    const { lastStream, code } = readGoaway(payload)
    this.#isEnding = true
    this.#events.onGoaway(code)
    // The server has not begun with these, and will not.
    const refused = [...this.#streams.values(), ...this.#sending].filter((stream) => stream.id === 0 || stream.id > lastStream)
    this.#end(refused, 'the server ends the connection')
  }

  #onContinuation(stream: number, flags: number, payload: Buffer): void {
    const block = this.#block
    if (block === undefined) throw misplaced('headers go on that did not begin')
    block.continue(stream, flags, payload)
    this.#onBlock(block, flags)
  }

  #onBlock(block: HeaderBlock, flags: number): void {
    this.#block = (flags & flag.endHeaders) === 0 ? block : undefined
    if (this.#block !== undefined) return
    // Also those that nobody waits for: the next ones refer to them.
    const headers = this.#decoder.decode(block.bytes)
    const stream = this.#streams.get(block.stream)
    if (stream === undefined) return
    if (headers === undefined) return this.#refuse(stream)
    const isInterim = !stream.hasAnswer && headers.get(':status')?.startsWith('1') === true
    if (isInterim && !block.isEndStream) return
    if (stream.hasAnswer && !block.isEndStream) throw misplaced('trailers that are not the end')
    stream.hasAnswer = true
    stream.events.onHeaders(headers)
    // Its owner may have cancelled it.
    if (block.isEndStream && this.#streams.has(block.stream)) this.#finish(stream)
  }

  /** Its headers are too many to be read. */
  #refuse(stream: ClientStream): void {
    this.#socket.write(encodeReset(stream.id, errorCode.enhanceYourCalm))
    this.#forget(stream)
    stream.events.onReset(errorCode.enhanceYourCalm)
  }

  #onReset(id: number, code: number): void {
    const stream = this.#streams.get(id)
    if (stream === undefined) return
    this.#forget(stream)
    stream.events.onReset(code)
  }

  /** The answer is whole. A request that is not needs no rest. */
  #finish(stream: ClientStream): void {
    if (stream.left > 0) this.#socket.write(encodeReset(stream.id, errorCode.cancel))
    this.#forget(stream)
    stream.events.onEnd()
  }

  /** A stream's number that can be one. @throws ProtocolError for that of none that we began */
  #known(id: number): number {
    if (id % 2 === 1 && id < this.#nextStream) return id
    throw misplaced(`a frame on stream ${id}, which was not begun`)
  }

  #end(streams: Iterable<ClientStream>, reason: string): void {
    for (const stream of new Set(streams)) {
      this.#forget(stream)
      stream.events.onGone(reason)
    }
  }

  #forget(stream: ClientStream): void {
    this.#streams.delete(stream.id)
    this.#sending.delete(stream)
    this.#events.onStreamEnd()
    // Another one may have waited for its place.
    if (this.#sending.size > 0) this.#pump()
  }

  #reply(frame: Buffer): void {
    this.#replies += 1
    if (this.#replies > MAX_REPLIES) throw new ProtocolError(errorCode.enhanceYourCalm, 'more questions than it reads answers')
    this.#socket.write(frame, this.#onReplied)
  }

  readonly #onReplied = (): void => {
    this.#replies -= 1
  }

  /** Sends what may be sent, in turns. The socket calls it again when it has sent what it holds. */
  readonly #pump = (): void => {
    for (let isMoving = true; isMoving;) {
      isMoving = false
      for (const stream of this.#sending) {
        if (this.#isGone || this.#socket.writableLength >= MAX_QUEUED_BYTES) return
        // Nor do those behind it have a place.
        if (stream.id === 0 && (this.#isEnding || this.#streams.size >= this.#peer.maxConcurrentStreams)) break
        if (this.#sendTurn(stream)) isMoving = true
      }
    }
  }

  /** @returns whether there was anything that could be sent */
  #sendTurn(stream: ClientStream): boolean {
    const isNew = stream.id === 0
    if (isNew) this.#begin(stream)
    const bytes = Math.max(0, Math.min(stream.left, stream.window, this.#window, TURN_BYTES))
    if (bytes === 0 && !isNew) return false
    const frames = stream.frames(isNew, bytes, this.#peer.maxFrameSize)
    stream.window -= bytes
    this.#window -= bytes
    if (stream.left === 0) this.#sending.delete(stream)
    this.#write(frames)
    return true
  }

  #write(pieces: readonly Uint8Array[]): void {
    if (pieces.length === 1) return void this.#socket.write(pieces[0]!)
    this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece)
    this.#socket.uncork()
  }

  #begin(stream: ClientStream): void {
    stream.id = this.#nextStream
    stream.window = this.#peer.initialWindowSize
    this.#nextStream += 2
    this.#streams.set(stream.id, stream)
  }
}
