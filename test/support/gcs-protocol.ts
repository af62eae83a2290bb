import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Session {
  readonly key: string
  readonly mustBeNew: boolean
  bytes: Buffer
}

/** A server of objects in memory, see {@link startGcsProtocol}. */
export interface GcsProtocolServer {
  readonly endpoint: string
  readonly objects: Map<string, Buffer>
  /** Uploads that are neither complete nor cancelled. */
  readonly sessions: Map<string, Session>
  /** Bytes that are kept of what one request sends. Default: all. */
  keeps: number
  readonly close: () => Promise<void>
}

const bodyOf = async (stream: IncomingMessage): Promise<Buffer> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream as AsyncIterable<Uint8Array>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('base64')

/**
 * Resumable uploads as Google documents them (https://cloud.google.com/storage/docs/performing-resumable-uploads): how much is there is
 * answered, offsets are checked, a hash that is not the object's is refused. The emulator, which the other tests use, ends an upload
 * when it is asked how much is there, and so cannot be asked after a failure.
 */
export const startGcsProtocol = async (): Promise<GcsProtocolServer> => {
  const { objects, sessions } = { objects: new Map<string, Buffer>(), sessions: new Map<string, Session>() }
  /** Complete ones are remembered: their state may be asked for once more. */
  const done = new Map<string, Buffer>()

  const describe = (response: ServerResponse, bytes: Buffer): void =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ size: `${bytes.length}`, md5Hash: md5(bytes), generation: '1' }))

  const upload = (request: IncomingMessage, response: ServerResponse, id: string, body: Buffer): void => {
    const complete = done.get(id)
    if (complete !== undefined) return describe(response, complete)
    const session = sessions.get(id)
    if (session === undefined) return void response.writeHead(404).end()
    const [, start, , total] = /^bytes (?:\*|(\d+)-(\d+))\/(\*|\d+)$/.exec(String(request.headers['content-range']))!
    if (start !== undefined) {
      if (Number(start) !== session.bytes.length) return void response.writeHead(503).end()
      session.bytes = Buffer.concat([session.bytes, body.subarray(0, server.keeps)])
    }
    if (total === '*' || Number(total) !== session.bytes.length) {
      return void response.writeHead(308, session.bytes.length === 0 ? {} : { range: `bytes=0-${session.bytes.length - 1}` }).end()
    }
    sessions.delete(id)
    const hash = request.headers['x-goog-hash']
    if (hash !== undefined && hash !== `md5=${md5(session.bytes)}`) return void response.writeHead(400).end()
    if (session.mustBeNew && objects.has(session.key)) return void response.writeHead(412).end()
    objects.set(session.key, session.bytes)
    done.set(id, session.bytes)
    describe(response, session.bytes)
  }

  const object = (request: IncomingMessage, response: ServerResponse, key: string, isMedia: boolean): void => {
    const bytes = objects.get(key)
    if (bytes === undefined) return void response.writeHead(404).end()
    if (request.method === 'DELETE') return void (objects.delete(key), response.writeHead(204).end())
    if (!isMedia) return describe(response, bytes)
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const part = bytes.subarray(start)
    const ranged = request.headers.range === undefined ? {} : { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }
    response.writeHead(request.headers.range === undefined ? 200 : 206, { 'content-length': part.length, 'x-goog-generation': '1', ...ranged }).end(part)
  }

  const http = createServer((request, response) => {
    void (async () => {
      const body = await bodyOf(request)
      const url = new URL(request.url!, 'http://localhost')
      const id = url.searchParams.get('upload_id')
      if (request.method === 'POST') {
        const made = randomUUID()
        sessions.set(made, { key: (JSON.parse(body.toString()) as { name: string }).name, mustBeNew: url.searchParams.get('ifGenerationMatch') === '0', bytes: Buffer.alloc(0) })
        // Its host is nobody's: clients go to that of their endpoint.
        return void response.writeHead(200, { location: `https://elsewhere.invalid${url.pathname}?uploadType=resumable&upload_id=${made}` }).end()
      }
      if (id !== null && request.method === 'DELETE') return void response.writeHead(sessions.delete(id) ? 499 : 404).end()
      if (id !== null) return upload(request, response, id, body)
      object(request, response, decodeURIComponent(url.pathname.split('/').at(-1)!), url.searchParams.get('alt') === 'media')
    })()
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const server: GcsProtocolServer = {
    endpoint: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    objects, sessions, keeps: Infinity,
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve())
        http.closeAllConnections()
      }),
  }
  return server
}
