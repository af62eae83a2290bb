import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { Agent, getGlobalDispatcher, setGlobalDispatcher, ProxyAgent } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { errorOf } from '../../../../../test/support/error-of.js'
import { gcsStorage, readBytes, s3Storage, storageFor, type Storage } from '../index.js'

const text = '0123456789'.repeat(100)

/** A proxy as companies have them: it takes whole requests of http, makes tunnels, and knows hosts that this machine does not. */
class TestProxy {
  readonly seen: { readonly what: string; readonly authorization: string | undefined }[] = []
  /** What it answers instead. */
  refuses: number | undefined
  leadsTo: string | undefined
  private readonly tunnels = new Set<Socket>()
  private readonly server: Server

  constructor(private readonly origin: () => number) {
    this.server = createServer((request, response) => {
      this.note(request)
      if (this.refuses !== undefined) return void response.writeHead(this.refuses).end()
      if (this.leadsTo !== undefined) return void response.writeHead(302, { location: this.leadsTo }).end()
      serve(request, (status, headers, body) => void response.writeHead(status, headers).end(body))
    })
    this.server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.note(request)
      this.tunnels.add(socket)
      socket.on('error', () => undefined)
      if (this.refuses !== undefined) return void socket.end(`HTTP/1.1 ${this.refuses} no\r\n\r\n`)
      const onward = connect(this.origin(), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        onward.write(head)
        socket.pipe(onward).pipe(socket)
      })
      onward.on('error', () => socket.destroy())
    })
  }

  private note({ method, url, headers }: IncomingMessage): void {
    this.seen.push({ what: `${method} ${url}`, authorization: headers['proxy-authorization'] })
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve))
  }

  close(): Promise<unknown> {
    for (const socket of this.tunnels) socket.destroy()
    this.server.closeAllConnections()
    return new Promise((resolve) => this.server.close(resolve))
  }
}

const serve = ({ method, headers }: IncomingMessage, answer: (status: number, headers: Record<string, string | number>, body?: string) => void): void => {
  const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '')
  const [from, to] = [Number(range?.[1] ?? 0), range === null || range[2] === '' ? text.length : Number(range[2]) + 1]
  const told = { 'content-length': to - from, 'accept-ranges': 'bytes', etag: '"1"', 'x-goog-generation': '1', ...(range === null ? {} : { 'content-range': `bytes ${from}-${to - 1}/${text.length}` }) }
  answer(range === null ? 200 : 206, told, method === 'HEAD' ? undefined : text.slice(from, to))
}

const read = async (url: string, options: { start?: number; end?: number } = {}, storage: Pick<Storage, 'read'> = { read: readBytes }): Promise<string> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of storage.read(url, options)) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('requests by way of a proxy', () => {
  let proxy: TestProxy
  let origin: Server
  beforeEach(async () => {
    for (const name of ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'NODE_USE_ENV_PROXY']) vi.stubEnv(name, undefined)
    origin = createServer((request, response) => serve(request, (status, headers, body) => void response.writeHead(status, headers).end(body)))
    await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve))
    proxy = new TestProxy(() => (origin.address() as AddressInfo).port)
    await proxy.listen()
    vi.stubEnv('HTTP_PROXY', proxy.url.replace('://', '://me:hush%21@'))
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    origin.closeAllConnections()
    await Promise.all([proxy.close(), new Promise((resolve) => origin.close(resolve))])
  })

  it('are sent to it whole, with user and password, by http, S3 and Google Cloud Storage', async () => {
    const url = 'http://files.example/x.csv'
    expect(await storageFor(url).stat(url)).toMatchObject({ size: text.length, version: '"1"' })
    expect(await read(url)).toBe(text)
    expect(await read(url, { start: 5, end: 8 })).toBe('567')
    const s3 = s3Storage({ endpoint: 'http://minio.example:9000', credentials: 'anonymous' })
    expect(await read('s3://bucket/key', {}, s3)).toBe(text)
    const gcs = gcsStorage({ endpoint: 'http://gcs.example', credentials: 'anonymous' })
    expect(await read('gs://bucket/key', {}, gcs)).toBe(text)
    expect(proxy.seen.map(({ what }) => what)).toEqual([
      'HEAD http://files.example/x.csv', 'GET http://files.example/x.csv', 'GET http://files.example/x.csv', 'GET http://minio.example:9000/bucket/key', expect.stringMatching(/^GET http:\/\/gcs\.example\/.*key\?alt=media/),
    ])
    expect(new Set(proxy.seen.map(({ authorization }) => authorization))).toEqual(new Set([`Basic ${Buffer.from('me:hush!').toString('base64')}`]))
  })

  it('go without it to hosts that NO_PROXY names, and to this machine', async () => {
    const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}/x.csv`
    expect(await read(url)).toBe(text)
    vi.stubEnv('NO_PROXY', 'files.invalid')
    expect((await errorOf(read('http://files.invalid/x.csv'))).code).toBe('HTTP_UNREACHABLE')
    expect(proxy.seen).toEqual([])
  })

  it('take the way of each server that redirects lead to', async () => {
    const direct = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
    origin.removeAllListeners('request').on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (request.url === '/away') return void response.writeHead(302, { location: 'http://files.example/x.csv' }).end()
      serve(request, (status, headers, body) => void response.writeHead(status, headers).end(body))
    })
    expect(await read(`${direct}/away`)).toBe(text)
    expect(proxy.seen.map(({ what }) => what)).toEqual(['GET http://files.example/x.csv'])
    proxy.leadsTo = `${direct}/x.csv`
    expect(await read('http://files.example/near.csv')).toBe(text)
    expect(proxy.seen.map(({ what }) => what)).toEqual(['GET http://files.example/x.csv', 'GET http://files.example/near.csv'])
  })

  it('are told what it refuses, without its password', async () => {
    proxy.refuses = 407
    const error = await errorOf(read('http://files.example/x.csv'))
    expect([error._tag, error.code, error.position.source]).toEqual(['Storage', 'PROXY_REFUSED', 'http://files.example/x.csv'])
    expect(error.message).toContain('the proxy of HTTP_PROXY or HTTPS_PROXY refuses the request (status 407) (http://files.example/x.csv). Give it user and password')
    vi.stubEnv('HTTPS_PROXY', process.env['HTTP_PROXY'])
    proxy.refuses = 403
    const tunnel = await errorOf(read('https://files.example/x.csv'))
    expect([tunnel.code, tunnel.position.source]).toEqual(['PROXY_REFUSED', 'https://files.example/x.csv'])
    expect(tunnel.message).toContain('status 403')
    expect(JSON.stringify([error, error.message, tunnel, tunnel.message, String(tunnel.cause)])).not.toContain('hush')
    expect(proxy.seen.map(({ what }) => what)).toEqual(['GET http://files.example/x.csv', 'CONNECT files.example:443'])
  })

  it.each(['socks5://proxy.example:1080', 'http://[bad'])('are not sent by way of %s', async (url) => {
    vi.stubEnv('HTTP_PROXY', url)
    expect((await errorOf(read('http://files.example/x.csv'))).code).toBe('BAD_PROXY')
  })

  it('leave to a dispatcher that the program has set for all of Node what it does', async () => {
    const before = getGlobalDispatcher()
    const theirs = new ProxyAgent({ uri: proxy.url, proxyTunnel: false })
    vi.stubEnv('HTTP_PROXY', 'http://other.example:1')
    setGlobalDispatcher(theirs)
    try {
      expect(await read('http://files.example/x.csv')).toBe(text)
      expect(proxy.seen.map(({ authorization }) => authorization)).toEqual([undefined])
    } finally {
      setGlobalDispatcher(before instanceof Agent ? before : new Agent())
      await theirs.close()
    }
  })
})
