import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request that passes a proxy. */
export interface PassingRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/**
 * What becomes of a request: it passes; it is answered with a status; its connection is cut before it gets there, or after so many
 * bytes of the answer's body; it gets there, with its answer lost; it is answered with another body; its own body is changed.
 */
export type Fate = 'pass' | 'cut' | 'lose answer' | { readonly status: number; readonly body?: string } | { readonly cutAfter: number } | { readonly body: Buffer }

/** A server between a client and a real one, which fails as it is told. */
export interface FaultyProxy {
  readonly endpoint: string
  /** All requests, the oldest first. */
  readonly seen: PassingRequest[]
  /** What becomes of the next ones. */
  fate: (request: PassingRequest) => Fate
  readonly close: () => Promise<void>
}

const bodyOf = async (stream: IncomingMessage): Promise<Buffer> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream as AsyncIterable<Uint8Array>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const forward = (target: string, { method, url, headers }: PassingRequest, body: Buffer): Promise<{ readonly answer: IncomingMessage; readonly body: Buffer }> =>
  new Promise((resolve, reject) => {
    // The host stays the one that was signed.
    const outgoing = send(`${target}${url}`, { method, headers: { ...headers, 'content-length': body.length }, agent: false }, (answer) => {
      bodyOf(answer).then((received) => resolve({ answer, body: received }), reject)
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })

const reply = (response: ServerResponse, { answer, body }: Awaited<ReturnType<typeof forward>>, cutAfter: number | undefined): void => {
  const { 'transfer-encoding': _chunked, connection: _connection, ...headers } = answer.headers
  response.writeHead(answer.statusCode!, { ...headers, 'content-length': headers['content-length'] ?? body.length })
  if (cutAfter === undefined || cutAfter >= body.length) response.end(body)
  else response.write(body.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 5))
  if (cutAfter === 0) response.flushHeaders()
}

/** True for the first request that a test picks out. */
export const once = (matches: (request: PassingRequest) => boolean): ((request: PassingRequest) => boolean) => {
  let done = false
  return (request) => !done && matches(request) && (done = true)
}

/** Starts a proxy before a server. */
export const startFaultyProxy = async (target: string): Promise<FaultyProxy> => {
  const server = createServer((incoming, response) => {
    void (async () => {
      const request: PassingRequest = { method: incoming.method!, url: incoming.url!, headers: incoming.headers, body: await bodyOf(incoming) }
      proxy.seen.push(request)
      const fate = proxy.fate(request)
      if (fate === 'cut') return void response.destroy()
      if (typeof fate === 'object' && 'status' in fate) return void response.writeHead(fate.status).end(request.method === 'HEAD' ? undefined : fate.body)
      const answer = await forward(target, request, typeof fate === 'object' && 'body' in fate ? fate.body : request.body)
      if (fate === 'lose answer') return void response.destroy()
      reply(response, answer, typeof fate === 'object' && 'cutAfter' in fate ? fate.cutAfter : undefined)
    })().catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: FaultyProxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    fate: () => 'pass',
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return proxy
}
