import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { ClientSession } from './client-session.js'
import type { ClientStream } from './client-stream.js'
import { errorCode } from './error-code.js'
import { encodeFrame, encodeGoaway, encodeReset, encodeSettings, encodeWindowUpdate, flag, frameType, setting } from './frame.js'
import { FrameReader } from './frame-reader.js'
import { encodeHeaders } from './hpack-encoder.js'

const PREFACE_BYTES = 24
const NOTHING = Buffer.alloc(0)
const SETTINGS = encodeSettings([])
const block = encodeHeaders([[':status', '200'], ['content-type', 'text/plain']])
const headers = (stream: number, flags = 0, payload: Buffer = block): Buffer => encodeFrame(frameType.headers, flags | flag.endHeaders, stream, payload)
const data = (stream: number, text: string, flags = 0): Buffer => encodeFrame(frameType.data, flags, stream, Buffer.from(text))
const trailers = (stream: number): Buffer => headers(stream, flag.endStream, encodeHeaders([['grpc-status', '0']]))

interface Sent {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** A session without a network: what it sends is collected, and what it is sent is read at once. */
const start = ({ isStuck = false } = {}) => {
  const written: Buffer[] = []
  let queued = 0
  const socket = Object.assign(new EventEmitter(), {
    cork: () => undefined,
    uncork: () => undefined,
    write: (bytes: Buffer, onDone?: () => void) => {
      written.push(bytes)
      if (isStuck) queued += bytes.length
      else onDone?.()
      return !isStuck
    },
  })
  Object.defineProperty(socket, 'writableLength', { get: () => queued })
  const events: string[] = []
  const session: ClientSession = new ClientSession(socket as unknown as Socket, {
    onReady: () => void events.push('ready'),
    onGoaway: (code) => void events.push(`goaway ${code}`),
    onStreamEnd: () => undefined,
    onError: (reason) => {
      events.push(reason)
      session.destroy(reason)
    },
  })
  const streams: { readonly stream: ClientStream; readonly seen: string[] }[] = []
  const request = (body = 'body'): string[] => {
    const seen: string[] = []
    const stream = session.request({ block, body: [Buffer.from(body)] }, {
      onHeaders: (got) => void seen.push(`headers ${[...got.values()].join()}`),
      onData: (piece) => void seen.push(`data ${piece.toString('latin1')}`),
      onEnd: () => void seen.push('end'),
      onReset: (code) => void seen.push(`reset ${code}`),
      onGone: (reason) => void seen.push(`gone: ${reason}`),
    })
    streams.push({ stream, seen })
    return seen
  }
  /** Frames sent since the last look. */
  const sent = (): Sent[] => {
    const frames: Sent[] = []
    let pieces: Buffer[] = []
    const reader = new FrameReader(2 ** 24, {
      onFrame: (type, flags, stream, payload) => void frames.push({ type, flags, stream, payload: Buffer.from(payload) }),
      onDataStart: () => (pieces = []),
      onData: (_, piece) => void pieces.push(Buffer.from(piece)),
      onDataEnd: (stream, isLast) => void frames.push({ type: frameType.data, flags: isLast ? flag.endStream : 0, stream, payload: Buffer.concat(pieces) }),
    })
    reader.push(Buffer.concat(written.splice(0)))
    return frames
  }
  const bytesSent = (): number => sent().reduce((sum, frame) => sum + (frame.type === frameType.data ? frame.payload.length : 0), 0)
  const drain = (): void => {
    queued = 0
    socket.emit('drain')
  }
  const preface = written.shift()!
  return { session, events, streams, request, sent, bytesSent, drain, preface, read: (...frames: readonly Buffer[]) => session.read(Buffer.concat(frames)) }
}

/** The same, with a server that has answered. */
const ready = (...settings: readonly (readonly [number, number])[]) => {
  const peer = start()
  peer.read(encodeSettings(settings))
  peer.sent()
  return peer
}

describe('a request', () => {
  test('goes out in one write behind the preface, and its answer comes back', () => {
    const peer = start()
    expect(peer.preface.toString('latin1', 0, PREFACE_BYTES)).toBe('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    const seen = peer.request()
    expect(peer.sent()).toEqual([
      { type: frameType.headers, flags: flag.endHeaders, stream: 1, payload: block }, { type: frameType.data, flags: flag.endStream, stream: 1, payload: Buffer.from('body') },
    ])
    peer.read(SETTINGS, headers(1), data(1, 'answer'), trailers(1))
    expect(seen).toEqual(['headers 200,text/plain', 'data answer', 'headers 0', 'end'])
    expect(peer.sent()).toEqual([{ type: frameType.settings, flags: flag.ack, stream: 0, payload: NOTHING }])
  })

  test('is answered in frames with padding, priority, continuation and interim headers', () => {
    const peer = ready()
    const seen = peer.request()
    const padding = 5
    const padded = Buffer.concat([Buffer.from([padding]), Buffer.alloc(5), block.subarray(0, 4), Buffer.alloc(padding)])
    peer.read(
      headers(1, 0, encodeHeaders([[':status', '100']])),
      encodeFrame(frameType.headers, flag.padded | flag.priority, 1, padded),
      encodeFrame(frameType.continuation, 0, 1, block.subarray(4, 9)),
      encodeFrame(frameType.continuation, flag.endHeaders, 1, block.subarray(9)),
      encodeFrame(frameType.priority, 0, 1, Buffer.alloc(5)), encodeFrame(99, 0, 5, Buffer.alloc(10)), encodeFrame(frameType.data, flag.padded, 1, Buffer.from([2, 120, 0, 0])), trailers(1),
    )
    expect(seen).toEqual(['headers 200,text/plain', 'data x', 'headers 0', 'end'])
  })

  test('that is cancelled hears nothing more, and headers that come late are read for those that refer to them', () => {
    const peer = ready()
    const seen = peer.request()
    const other = peer.request()
    peer.sent()
    peer.session.cancel(peer.streams[0]!.stream)
    peer.session.cancel(peer.streams[0]!.stream)
    expect(peer.sent()).toMatchObject([{ type: frameType.rstStream, stream: 1, payload: Buffer.from([0, 0, 0, errorCode.cancel]) }])
    // The first puts a header into the table, the second takes it from there.
    peer.read(headers(1, 0, Buffer.from('400161017a', 'hex')), data(1, 'late'), encodeReset(1, 0), encodeWindowUpdate(1, 5), headers(3, 0, Buffer.from('be', 'hex')))
    expect(seen).toEqual([])
    expect(other).toEqual(['headers z'])
  })

  test('that is answered before it was sent whole is not sent on', () => {
    const peer = ready()
    const seen = peer.request('x'.repeat(100_000))
    expect(peer.bytesSent()).toBe(65_535)
    peer.read(trailers(1))
    expect(seen).toEqual(['headers 0', 'end'])
    expect(peer.sent()).toMatchObject([{ type: frameType.rstStream, stream: 1 }])
    peer.read(encodeWindowUpdate(0, 100_000))
    expect(peer.bytesSent()).toBe(0)
  })

  test('whose headers are too many to read is reset, and the next one is answered', () => {
    const peer = ready()
    const seen = peer.request()
    const other = peer.request()
    const long = encodeHeaders([['a', 'x'.repeat(40_000)], ['b', 'x'.repeat(24_000)], ['c', 'y'.repeat(1_500)]])
    peer.read(headers(1, 0, long), headers(3), trailers(3))
    expect(seen).toEqual([`reset ${errorCode.enhanceYourCalm}`])
    expect(other.at(-1)).toBe('end')
  })
})

describe('flow control', () => {
  test('keeps to the windows of the connection and of the stream, also of those that shrink', () => {
    const peer = ready([setting.initialWindowSize, 10])
    peer.request('x'.repeat(100_000))
    expect(peer.bytesSent()).toBe(10)
    peer.read(encodeWindowUpdate(1, 5))
    expect(peer.bytesSent()).toBe(5)
    // 20 fewer than nothing, then 30 more.
    peer.read(encodeSettings([[setting.initialWindowSize, 0]]), encodeWindowUpdate(1, 9))
    expect(peer.bytesSent()).toBe(0)
    peer.read(encodeWindowUpdate(1, 4))
    expect(peer.bytesSent()).toBe(3)
    peer.read(encodeWindowUpdate(1, 1_000_000))
    expect(peer.bytesSent()).toBe(65_535 - 18)
    peer.read(encodeWindowUpdate(0, 1_000_000))
    expect(peer.bytesSent()).toBe(100_000 - 65_535)
  })

  test('headers go out before there is a window', () => {
    const peer = ready([setting.initialWindowSize, 0])
    peer.request()
    expect(peer.sent()).toMatchObject([{ type: frameType.headers, stream: 1 }])
    peer.read(encodeWindowUpdate(1, 100))
    expect(peer.sent()).toMatchObject([{ type: frameType.data, flags: flag.endStream }])
  })

  test('frames are as long as the peer allows', () => {
    const peer = ready([setting.maxFrameSize, 20_000])
    peer.request('x'.repeat(50_000))
    expect(peer.sent().map(({ payload }) => payload.length)).toEqual([block.length, 20_000, 20_000, 10_000])
  })

  test('the peer gets back what it has sent, half a window at a time', () => {
    const peer = ready()
    peer.request()
    const piece = Buffer.alloc(2 ** 20)
    peer.read(headers(1))
    peer.sent()
    for (let i = 0; i < 16; i++) peer.read(encodeFrame(frameType.data, 0, 1, piece))
    const back = peer.sent().map(({ type, stream, payload }) => [type, stream, payload.readUInt32BE()])
    expect(back).toEqual([...Array.from({ length: 3 }, () => [frameType.windowUpdate, 1, 4 * 2 ** 20]), [frameType.windowUpdate, 0, 16 * 2 ** 20], [frameType.windowUpdate, 1, 4 * 2 ** 20]])
  })

  test('a large request waits for the socket, takes turns with others, and goes on', () => {
    const peer = start({ isStuck: true })
    peer.read(encodeSettings([[setting.initialWindowSize, 10_000_000]]), encodeWindowUpdate(0, 10_000_000))
    peer.request('x'.repeat(1_000_000))
    const first = peer.bytesSent()
    expect(first).toBeGreaterThan(100_000)
    expect(first).toBeLessThan(500_000)
    peer.request('small')
    expect(peer.bytesSent()).toBe(0)
    peer.drain()
    const frames = peer.sent()
    expect(frames.filter(({ stream }) => stream === 3)).toHaveLength(2)
    let rest = first + frames.reduce((sum, { type, stream, payload }) => sum + (type === frameType.data && stream === 1 ? payload.length : 0), 0)
    for (let turn = 0; turn < 20; turn++) {
      peer.drain()
      rest += peer.bytesSent()
    }
    expect(rest).toBe(1_000_000)
  })

  test('streams wait for a place', () => {
    const peer = ready([setting.maxConcurrentStreams, 2])
    const seen = Array.from({ length: 4 }, () => peer.request())
    expect(new Set(peer.sent().map(({ stream }) => stream))).toEqual(new Set([1, 3]))
    peer.session.cancel(peer.streams[2]!.stream)
    expect(peer.sent()).toEqual([])
    peer.read(trailers(3))
    expect(peer.sent().map(({ stream }) => stream)).toEqual([5, 5])
    peer.read(trailers(5))
    expect(seen.map((told) => told.at(-1))).toEqual([undefined, 'end', undefined, 'end'])
  })
})

describe('the end', () => {
  test('GOAWAY ends what the peer has not begun, and what waits; the rest goes on', () => {
    const peer = ready([setting.maxConcurrentStreams, 2])
    const seen = Array.from({ length: 3 }, () => peer.request())
    const goaway = encodeGoaway(errorCode.noError)
    goaway.writeUInt32BE(1, 9)
    peer.sent()
    peer.read(goaway)
    expect(peer.session.isUsable).toBe(false)
    expect(seen.map((told) => told.at(-1))).toEqual([undefined, 'gone: the server ends the connection', 'gone: the server ends the connection'])
    peer.read(headers(1), trailers(1))
    expect(seen[0]!.at(-1)).toBe('end')
    expect(peer.sent()).toEqual([])
  })

  test('pings are answered, and answered pings heard', () => {
    const peer = ready()
    let answers = 0
    peer.session.ping(() => (answers += 1))
    const [ping] = peer.sent()
    expect(ping).toMatchObject({ type: frameType.ping, flags: 0 })
    peer.read(encodeFrame(frameType.ping, flag.ack, 0, ping!.payload), encodeFrame(frameType.ping, flag.ack, 0, ping!.payload), encodeFrame(frameType.ping, 0, 0, Buffer.from('12345678')))
    expect(answers).toBe(1)
    expect(peer.sent()).toMatchObject([{ type: frameType.ping, flags: flag.ack, payload: Buffer.from('12345678') }])
  })

  test('a peer that asks and asks, and reads no answers, is left', () => {
    const peer = start({ isStuck: true })
    peer.read(SETTINGS)
    for (let i = 0; i < 2_000; i++) peer.read(encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8)))
    expect(peer.events.at(-1)).toMatch(/reads/)
    expect(peer.sent().length).toBeLessThan(1_100)
  })
})

const frame = (type: number, stream: number, length: number, flags = 0): Buffer => encodeFrame(type, flags, stream, Buffer.alloc(length))

/** Each is sent once stream 1 is open, and some after its headers. */
const faults: { readonly [what: string]: readonly Buffer[] } = {
  'settings on a stream': [frame(frameType.settings, 1, 0)],
  'settings of five bytes': [frame(frameType.settings, 0, 5)],
  'settings that are an answer with content': [frame(frameType.settings, 0, 6, flag.ack)],
  'a window beyond 31 bits': [encodeSettings([[setting.initialWindowSize, 2 ** 31]])],
  'frames that are too short': [encodeSettings([[setting.maxFrameSize, 100]])],
  'a ping of seven bytes': [frame(frameType.ping, 0, 7)],
  'a ping on a stream': [frame(frameType.ping, 1, 8)],
  'a GOAWAY on a stream': [frame(frameType.goaway, 1, 8)],
  'a GOAWAY that is short': [frame(frameType.goaway, 0, 7)],
  'a window that grows by nothing': [encodeWindowUpdate(0, 0)],
  'a stream window that grows by nothing': [encodeWindowUpdate(1, 0)],
  'a window update of three bytes': [frame(frameType.windowUpdate, 0, 3)],
  'a window that is too large': [encodeWindowUpdate(0, 2 ** 31 - 1)],
  'a stream window that is too large': [encodeWindowUpdate(1, 2 ** 31 - 1)],
  'a stream window that becomes too large': [encodeWindowUpdate(1, 2 ** 31 - 65_536), encodeSettings([[setting.initialWindowSize, 65_540]])],
  'a reset of five bytes': [frame(frameType.rstStream, 1, 5)],
  'a reset of the connection': [encodeReset(0, 0)],
  'a reset of a stream that was not begun': [encodeReset(3, 0)],
  'a stream of its own': [headers(2)],
  'headers on the connection': [headers(0)],
  'headers on a stream that was not begun': [headers(3)],
  'headers of a bad block': [headers(1, 0, Buffer.from([0x80]))],
  'headers that are shorter than their padding': [frame(frameType.headers, 1, 0, flag.padded | flag.endHeaders)],
  'headers without their priority': [frame(frameType.headers, 1, 4, flag.priority | flag.endHeaders)],
  'headers that do not go on': [frame(frameType.headers, 1, 0), SETTINGS],
  'headers with data within': [frame(frameType.headers, 1, 0), data(1, 'x')],
  'headers with those of another stream within': [frame(frameType.headers, 1, 0), frame(frameType.continuation, 3, 1, flag.endHeaders)],
  'headers that go on with nothing': [frame(frameType.headers, 1, 0), frame(frameType.continuation, 1, 0)],
  'headers that never end': [frame(frameType.headers, 1, 0), ...Array.from({ length: 5 }, () => encodeFrame(frameType.continuation, 0, 1, Buffer.alloc(16_000, 0x88)))],
  'headers that go on and did not begin': [frame(frameType.continuation, 1, 1, flag.endHeaders)],
  'trailers that are not the end': [headers(1), headers(1)],
  'data before headers': [data(1, 'x')],
  'data on the connection': [data(0, 'x')],
  'data on a stream that was not begun': [data(3, 'x')],
  'data with too much padding': [headers(1), encodeFrame(frameType.data, flag.padded, 1, Buffer.from([9, 0]))],
  'a priority of four bytes': [frame(frameType.priority, 1, 4)],
  'a promise': [frame(frameType.pushPromise, 1, 8, flag.endHeaders)],
  'a frame that is too long': [Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1])],
}

describe('a server that breaks the rules is left, and its calls hear why:', () => {
  test.each(Object.entries(faults))('%s', (_, frames) => {
    const peer = ready()
    const seen = peer.request()
    peer.sent()
    peer.read(...frames)
    expect(seen.at(-1)).toMatch(/^gone: the server breaks HTTP\/2: ./)
    expect(peer.sent().at(-1)).toMatchObject({ type: frameType.goaway })
    const told = [...peer.events, ...seen]
    peer.read(SETTINGS, headers(1))
    expect([...peer.events, ...seen]).toEqual(told)
    expect(peer.sent()).toEqual([])
  })

  test.each([
    ['an answer to settings first', frame(frameType.settings, 0, 0, flag.ack)], ['a ping first', frame(frameType.ping, 0, 8)], ['data first', data(1, 'x')], ['HTTP/1', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])('%s', (_, bytes) => {
    const peer = start()
    const seen = peer.request()
    peer.read(bytes)
    expect(seen).toEqual(['gone: the server does not speak HTTP/2'])
  })
})

/** A generator of numbers below 1 (mulberry32). */
const numbers = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

describe('what comes', () => {
  const whole = Buffer.concat([
    encodeSettings([[setting.initialWindowSize, 100_000], [setting.maxConcurrentStreams, 50]]), encodeFrame(frameType.settings, flag.ack, 0, NOTHING), encodeWindowUpdate(0, 10_000),
    headers(1, 0, Buffer.from('8840016103e2e3e45f03746578', 'hex')), encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8)), data(1, 'some words'), encodeWindowUpdate(3, 100),
    headers(3, 0, Buffer.from('88bebf', 'hex')), encodeFrame(frameType.data, flag.padded, 3, Buffer.from([3, 1, 2, 0, 0, 0])), trailers(1), encodeReset(3, 8), encodeGoaway(0),
  ])

  test('may be cut off anywhere: no answer is made up, and each call ends once', () => {
    for (let length = 0; length <= whole.length; length++) {
      const peer = start()
      const seen = [peer.request(), peer.request()]
      peer.read(whole.subarray(0, length))
      peer.session.destroy('it was cut off')
      const ends = seen.map((told) => told.filter((text) => /^(end|reset|gone)/.test(text)))
      expect(ends.map((told) => told.length), `cut at ${length}`).toEqual([1, 1])
      if (ends[0]![0] === 'end') expect(seen[0]).toContain('data some words')
    }
  })

  test('may be anything: each call ends once, and little is sent', () => {
    for (let seed = 1; seed <= 3_000; seed++) {
      const random = numbers(seed)
      const bytes = Buffer.from(whole)
      const from = random() < 0.5 ? 0 : 21
      for (let times = 1 + Math.floor(random() * 6); times > 0; times--) {
        const at = from + Math.floor(random() * (bytes.length - from))
        if (random() < 0.7) bytes[at] = random() < 0.5 ? Math.floor(random() * 256) : bytes[at]! ^ (1 << Math.floor(random() * 8))
        else bytes.copyWithin(at, Math.floor(random() * bytes.length), Math.floor(random() * bytes.length))
      }
      const peer = start()
      const seen = [peer.request(), peer.request(), peer.request('x'.repeat(200_000))]
      for (let at = 0; at < bytes.length;) {
        const end = at + 1 + Math.floor(random() * 40)
        peer.session.read(bytes.subarray(at, end))
        at = end
      }
      peer.session.destroy('the end')
      const ends = seen.map((told) => told.filter((text) => /^(end|reset|gone)/.test(text)).length)
      expect(ends, `seed ${seed}`).toEqual([1, 1, 1])
      expect(peer.sent().length, `seed ${seed}`).toBeLessThan(100)
    }
  })
})
