import { once } from 'node:events'
import { request as requestHttp, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { Readable } from 'node:stream'

/** A request with a body. */
export interface DataRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  readonly signal: AbortSignal
}

/**
 * Sends bytes to a data node. Those say "100 Continue" unasked, for which `fetch` (undici) ends the connection; a redirect is not
 * followed here either.
 */
export const sendData = async (target: URL, { method, headers, body, signal }: DataRequest): Promise<Response> => {
  const request = (target.protocol === 'https:' ? requestHttps : requestHttp)(target, { method, headers: { ...headers, 'content-length': body.length }, signal })
  request.end(body)
  const [answer] = (await once(request, 'response', { signal })) as [IncomingMessage]
  // What fails from here on is told by the body.
  request.on('error', () => undefined)
  const fields = Object.entries(answer.headersDistinct).flatMap(([name, values]) => (values ?? []).map((value): [string, string] => [name, value]))
  const isEmpty = answer.statusCode === 204 || answer.statusCode === 304
  return new Response(isEmpty ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>), { status: answer.statusCode ?? 500, headers: fields })
}
