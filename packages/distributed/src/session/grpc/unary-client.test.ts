import { constants, createServer, type Http2Server, type ServerOptions, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { UnaryClient } from './unary-client.js'

const PATH = '/service/Method'
/** Of printable characters: all of ASCII that a header can have but spaces at its ends. */
const PRINTABLE = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('')
const limits = { timeoutMs: 10_000, signal: undefined }
const OK = { 'grpc-status': '0' }

const frame = (bytes: Uint8Array | string, flag = 0, length = bytes.length): Buffer => {
  const prefix = Buffer.from([flag, 0, 0, 0, 0])
  prefix.writeUInt32BE(length, 1)
  return Buffer.concat([prefix, Buffer.from(bytes)])
}

type Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const listen = (server: Server | Http2Server, port = 0): Promise<string> =>
  new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => resolve(`127.0.0.1:${(server.address() as AddressInfo).port}`))
  })

interface Fake {
  readonly address: string
  readonly sessions: ServerHttp2Session[]
  readonly sockets: Socket[]
  stop(): Promise<void>
}

const startFake = async (answer: Answer, port = 0, options: ServerOptions = {}): Promise<Fake> => {
  const server = createServer(options)
  const sessions: ServerHttp2Session[] = []
  const sockets: Socket[] = []
  server.on('connection', (socket: Socket) => sockets.push(socket))
  server.on('session', (session) => sessions.push(session))
  server.on('sessionError', () => undefined)
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined)
    answer(stream, headers)
  })
  const address = await listen(server, port)
  const stop = (): Promise<void> => {
    for (const session of sessions) session.destroy()
    return new Promise((resolve) => {
      server.close(() => resolve())
    })
  }
  closing.push(() => void stop())
  return { address, sessions, sockets, stop }
}

const clientOf = (address: string, options = {}): UnaryClient => {
  const client = new UnaryClient(address, options)
  closing.push(() => client.close())
  return client
}

const clientTo = async (answer: Answer, options = {}): Promise<UnaryClient> => clientOf((await startFake(answer)).address, options)

/** Answers with pieces of a body, then trailers. */
const respond = (stream: ServerHttp2Stream, pieces: readonly Uint8Array[], trailers: Record<string, string> = OK): void => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  for (const piece of pieces) stream.write(piece)
  stream.end()
}

const bodyOf = (stream: ServerHttp2Stream): Promise<Buffer> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => resolve(Buffer.concat(chunks)))
  })

const echo: Answer = (stream) => void bodyOf(stream).then((body) => respond(stream, [body]))
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')
const ask = async (client: UnaryClient, message: string, options = {}): Promise<string> => text(await client.call(PATH, Buffer.from(message), { ...limits, ...options }))
const until = async (condition: () => boolean): Promise<void> => {
  for (const end = performance.now() + 5_000; !condition() && performance.now() < end;) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(condition()).toBe(true)
}

describe('a call', () => {
  test('is what gRPC asks for', async () => {
    let seen: IncomingHttpHeaders = {}
    const client = await clientTo((stream, headers) => {
      seen = headers
      echo(stream, headers)
    })
    expect(await ask(client, 'hello')).toBe('hello')
    expect(seen).toMatchObject({ ':method': 'POST', ':path': PATH, te: 'trailers', 'content-type': 'application/grpc', 'grpc-timeout': '10000m' })
    await ask(client, '', { timeoutMs: Infinity })
    expect(seen['grpc-timeout']).toBeUndefined()
    await ask(client, '', { timeoutMs: 5_000.5 })
    expect(seen['grpc-timeout']).toBe('5001m')
    await ask(client, '', { timeoutMs: 1e9 })
    expect(seen['grpc-timeout']).toBe('1000000S')
  })

  test('takes its answer in pieces of any size, and in one', async () => {
    const client = await clientTo((stream) => {
      const body = frame('some words')
      respond(stream, Array.from(body, (_, index) => body.subarray(index, index + 1)))
    })
    expect(await ask(client, '')).toBe('some words')
  })

  test('carries messages beyond every window, several at a time', async () => {
    const client = await clientTo(echo)
    const messages = [20_000_000, 3_000_000, 65_536, 65_537].map((length, index) => Buffer.alloc(length, `${index}`))
    const back = await Promise.all(messages.map((message) => client.call(PATH, message, limits)))
    back.forEach((message, index) => expect(messages[index]!.equals(message)).toBe(true))
  })

  test.each<[string, ServerOptions]>([
    ['pads its frames', { paddingStrategy: constants.PADDING_STRATEGY_MAX }],
    ['has small windows', { settings: { initialWindowSize: 1_000 } }],
    ['has no windows at first', { settings: { initialWindowSize: 0 } }],
    ['takes one call at a time', { settings: { maxConcurrentStreams: 1 } }],
    ['takes large frames', { settings: { maxFrameSize: 2 ** 20, initialWindowSize: 2 ** 24 } }],
    ['keeps no table of headers', { settings: { headerTableSize: 0 } }],
    ['takes calls with their settings only', { settings: { headerTableSize: 100, enableConnectProtocol: true } }],
  ])('goes to a server that %s', async (_, options) => {
    const fake = await startFake((stream, headers) => {
      // A window that is given by hand.
      if (options.settings?.initialWindowSize === 0) fake.sessions[0]!.settings({ initialWindowSize: 50_000 })
      echo(stream, headers)
    }, 0, options)
    const client = clientOf(fake.address)
    // Settings are known when an answer is.
    await ask(client, 'first')
    for (let round = 0; round < 3; round++) {
      const messages = [70_000, 1, 0, 300_000].map((length, index) => Buffer.alloc(length, `${index}`))
      const back = await Promise.all(messages.map((message) => client.call(PATH, message, limits)))
      back.forEach((message, index) => expect(messages[index]!.equals(message)).toBe(true))
    }
  })

  test('lets the process do other things while a message of 100 MB goes there and back', async () => {
    const client = await clientTo(echo)
    let turns = 0
    let isDone = false
    const turn = (): void => {
      turns += 1
      if (!isDone) setImmediate(turn)
    }
    turn()
    const message = Buffer.alloc(100_000_000, 'words of a message')
    const back = await client.call(PATH, message, limits)
    isDone = true
    expect(message.equals(back)).toBe(true)
    // A piece of 256 KiB at a time, or less.
    expect(turns).toBeGreaterThan(300)
  })

  test('reads words of any kind from headers, in however many frames they come', async () => {
    const words = [PRINTABLE, 'a'.repeat(100), PRINTABLE.repeat(3), 'é%20'.repeat(10), 'x'.repeat(40_000)]
    for (const word of words) {
      const client = await clientTo((stream) => stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '3', 'grpc-message': encodeURIComponent(`-${word}-`) }, { endStream: true }))
      for (let i = 0; i < 2; i++) await expect(ask(client, '')).rejects.toMatchObject({ code: 'TF_INVALID_ARGUMENT', message: expect.stringContaining(word.slice(0, 200)) as string })
    }
    const client = await clientTo((stream) => stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '3', 'grpc-message': `(${PRINTABLE.replace('%', '')})` }, { endStream: true }))
    await expect(ask(client, '')).rejects.toMatchObject({ message: expect.stringContaining(PRINTABLE.replace('%', '')) as string })
  })

  test('shares a connection with others', async () => {
    const fake = await startFake(echo)
    const client = clientOf(fake.address)
    const answers = await Promise.all(Array.from({ length: 300 }, (_, index) => ask(client, `${index}`)))
    expect(answers).toEqual(Array.from({ length: 300 }, (_, index) => `${index}`))
    expect(fake.sessions).toHaveLength(1)
  })
})

describe("the server's own statuses", () => {
  const failing = (trailers: Record<string, string>): Promise<UnaryClient> => clientTo((stream) => respond(stream, [], trailers))

  test.each([
    ['3', 'no%20such%20thing%3A%20%C3%BC', 'TF_INVALID_ARGUMENT', 'no such thing: ü'],
    ['10', 'half a %e2%82 sign, 100%', 'TF_ABORTED', 'half a'],
    ['16', '', 'TF_UNAUTHENTICATED', 'UNAUTHENTICATED'],
    ['99', 'x', 'TF_STATUS_99', 'x'],
  ])('in trailers: %s', async (status, message, code, said) => {
    const client = await failing({ 'grpc-status': status, 'grpc-message': message })
    await expect(ask(client, '')).rejects.toMatchObject({ _tag: 'Engine', code, message: expect.stringContaining(said) as string })
  })

  test('in headers, before the request has been read', async () => {
    const client = await clientTo((stream) => stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '8', 'grpc-message': 'too large' }, { endStream: true }))
    await expect(client.call(PATH, Buffer.alloc(30_000_000), limits)).rejects.toMatchObject({ code: 'TF_RESOURCE_EXHAUSTED', message: expect.stringContaining('too large') as string })
  })

  test.each([
    [constants.NGHTTP2_REFUSED_STREAM, 'TF_UNAVAILABLE'], [constants.NGHTTP2_CANCEL, 'TF_CANCELLED'],
    [constants.NGHTTP2_ENHANCE_YOUR_CALM, 'TF_RESOURCE_EXHAUSTED'], [constants.NGHTTP2_INTERNAL_ERROR, 'TF_INTERNAL'],
  ])('by a reset: %i', async (reset, code) => {
    const client = await clientTo((stream) => stream.close(reset))
    await expect(ask(client, '')).rejects.toMatchObject({ _tag: 'Engine', code })
  })

  test.each([[404, 'TF_UNIMPLEMENTED'], [503, 'TF_UNAVAILABLE'], [418, 'TF_UNKNOWN'], [200, 'TF_UNKNOWN']])('of other servers: HTTP %i', async (status, code) => {
    const client = await clientTo((stream) => {
      stream.respond({ ':status': status, 'content-type': 'text/html' })
      stream.end('<html>'.repeat(1000))
    })
    await expect(ask(client, '')).rejects.toMatchObject({ _tag: 'Engine', code })
  })
})

describe('answers that are none', () => {
  const good = { ':status': 200, 'content-type': 'application/grpc' }
  const bad: { readonly [what: string]: Answer } = {
    'are compressed': (stream) => respond(stream, [frame('x', 1)]),
    'have another frame': (stream) => respond(stream, [Buffer.from('<html></html>')]),
    'announce 4 GiB': (stream) => respond(stream, [frame('x', 0, 2 ** 32 - 1)]),
    'announce 2 GiB and are short': (stream) => respond(stream, [frame('x', 0, 2 ** 31 - 1)]),
    'are longer than they say': (stream) => respond(stream, [frame('four', 0, 3)]),
    'are two': (stream) => respond(stream, [frame('one'), frame('two')]),
    'are empty': (stream) => respond(stream, []),
    'end within the prefix': (stream) => respond(stream, [Buffer.from([0, 0])]),
    'have no trailers': (stream) => {
      stream.respond(good)
      stream.end(frame('x'))
    },
    'have trailers without a status': (stream) => respond(stream, [frame('x')], { more: 'words' }),
    'have a status that is no number': (stream) => respond(stream, [frame('x')], { 'grpc-status': '-1' }),
    'never end': (stream) => {
      stream.respond(good)
      const more = (): void => {
        while (!stream.destroyed && stream.write(Buffer.alloc(65_536)));
        stream.once('drain', more)
      }
      stream.write(frame('', 0, 1_000_000))
      more()
    },
  }

  test.each(Object.keys(bad))('that %s', async (what) => {
    const client = await clientTo(bad[what]!)
    await expect(ask(client, '')).rejects.toMatchObject({ _tag: 'Engine', code: 'BAD_RESPONSE' })
    await expect(ask(client, '')).rejects.toMatchObject({ code: 'BAD_RESPONSE' })
  })

  test('have huge headers', async () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`header-${index}`, 'x'.repeat(2_000)]))
    const client = await clientTo((stream) => {
      stream.respond({ ...good, ...many })
      stream.end(frame('x'))
    })
    await expect(ask(client, '')).rejects.toMatchObject({ _tag: 'Engine' })
  })
})

describe('time and signals', () => {
  test('a call ends at its deadline and by its signal, and the server is told', async () => {
    const resets: number[] = []
    const client = await clientTo((stream) => stream.on('close', () => resets.push(stream.rstCode)))
    await expect(ask(client, '', { timeoutMs: 50 })).rejects.toMatchObject({ _tag: 'Engine', code: 'TF_DEADLINE_EXCEEDED' })
    const stop = new AbortController()
    const aborted = ask(client, '', { signal: stop.signal })
    setTimeout(() => stop.abort('why'), 20)
    await expect(aborted).rejects.toMatchObject({ _tag: 'Aborted', cause: 'why' })
    await until(() => resets.length === 2)
    expect(resets).toEqual([constants.NGHTTP2_CANCEL, constants.NGHTTP2_CANCEL])
  })

  test('closing ends what waits, and leaves nothing that keeps the process', async () => {
    const fake = await startFake(() => undefined)
    const before = process.getActiveResourcesInfo().length
    const client = clientOf(fake.address)
    const waits = ask(client, '')
    await until(() => fake.sessions.length === 1)
    client.close()
    await expect(waits).rejects.toMatchObject({ _tag: 'Engine', code: 'TF_CANCELLED' })
    await expect(ask(client, '')).rejects.toMatchObject({ code: 'TF_CANCELLED' })
    await until(() => fake.sessions[0]!.destroyed)
    await until(() => process.getActiveResourcesInfo().length <= before)
  })
})

describe('connections', () => {
  test('one keeps the process only while a call is open', async () => {
    const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
    const held: ServerHttp2Stream[] = []
    const fake = await startFake((stream) => void held.push(stream))
    const client = clientOf(fake.address)
    for (let round = 0; round < 2; round++) {
      const waits = ask(client, '')
      await until(() => held.length === 1)
      fake.sockets[0]!.unref()
      expect(sockets()).toBe(1)
      respond(held.pop()!, [frame('x')])
      await waits
      expect(sockets()).toBe(0)
    }
  })

  test('one that is refused is unavailable; one that is back is found within a second', async () => {
    const fake = await startFake(echo)
    const port = Number(fake.address.split(':')[1])
    const client = clientOf(fake.address)
    expect(await ask(client, 'a')).toBe('a')
    await fake.stop()
    for (let i = 0; i < 3; i++) await expect(ask(client, '')).rejects.toMatchObject({ _tag: 'Engine', code: 'TF_UNAVAILABLE', position: { source: `grpc://${fake.address}` } })
    await startFake(echo, port)
    const start = performance.now()
    for (let isBack = false; !isBack;) isBack = await ask(client, 'b').then(() => true, () => false)
    expect(performance.now() - start).toBeLessThan(1_000)
  })

  test('one that ends ends its calls, and the next call has another', async () => {
    const fake = await startFake((stream, headers) => (headers['grpc-timeout'] === '9000m' ? undefined : echo(stream, headers)))
    const client = clientOf(fake.address)
    const waits = ask(client, '', { timeoutMs: 9_000 })
    await until(() => fake.sessions.length === 1)
    fake.sockets[0]!.destroy()
    await expect(waits).rejects.toMatchObject({ code: 'TF_UNAVAILABLE' })
    expect(await ask(client, 'again')).toBe('again')
    expect(fake.sessions).toHaveLength(2)
  })

  test('one that is being ended (GOAWAY) still answers, and takes no more', async () => {
    const held: ServerHttp2Stream[] = []
    const fake = await startFake((stream, headers) => (headers['grpc-timeout'] === '9000m' ? void held.push(stream) : echo(stream, headers)))
    const client = clientOf(fake.address)
    const waits = ask(client, '', { timeoutMs: 9_000 })
    await until(() => held.length === 1)
    fake.sessions[0]!.goaway(constants.NGHTTP2_NO_ERROR)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await ask(client, 'new')).toBe('new')
    respond(held[0]!, [frame('late')])
    expect(await waits).toBe('late')
    expect(fake.sessions).toHaveLength(2)
  })

  test('one that is ended for our faults (GOAWAY with an error) is unavailable', async () => {
    const fake = await startFake(() => fake.sessions[0]!.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM))
    await expect(ask(clientOf(fake.address), '')).rejects.toMatchObject({ code: 'TF_UNAVAILABLE' })
  })

  const startTcp = async (onSocket: (socket: Socket) => void): Promise<string> => {
    const sockets: Socket[] = []
    const server = createTcpServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => undefined)
      onSocket(socket)
    })
    closing.push(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    return listen(server)
  }

  test.each([
    ['speaks HTTP/1', (socket: Socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['hangs up', (socket: Socket) => void socket.end()],
    ['sends what is nothing', (socket: Socket) => void socket.write(Buffer.alloc(100_000, 0xff))],
  ])('a server that %s is unavailable', async (_, onSocket) => {
    await expect(ask(clientOf(await startTcp(onSocket)), '')).rejects.toMatchObject({ _tag: 'Engine', code: 'TF_UNAVAILABLE' })
  })

  test('a peer that has gone silent: the call ends at its deadline, or by unanswered pings before', async () => {
    expect(() => clientOf('127.0.0.1:1', { keepAliveMs: 0 })).toThrow(expect.objectContaining({ code: 'KEEP_ALIVE' }) as Error)
    const address = await startTcp((socket) => void socket.resume())
    await expect(ask(clientOf(address), '', { timeoutMs: 100 })).rejects.toMatchObject({ code: 'TF_DEADLINE_EXCEEDED' })
    await expect(ask(clientOf(address, { keepAliveMs: 50 }), '')).rejects.toMatchObject({ code: 'TF_UNAVAILABLE', message: expect.stringContaining('ping') as string })
  })

  test('a server that is only slow answers pings, and its calls go on', async () => {
    let pings = 0
    const client = await clientTo((stream) => {
      stream.session!.on('ping', () => (pings += 1))
      setTimeout(() => respond(stream, [frame('slow')]), 500)
    }, { keepAliveMs: 40 })
    expect(await ask(client, '')).toBe('slow')
    expect(pings).toBeGreaterThan(0)
    // At 40, 160 and, would it wait so long, 520 ms: servers count pings that come too often.
    expect(pings).toBeLessThanOrEqual(3)
  })
})
