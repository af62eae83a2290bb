import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { readBytes, storageFor } from '../index.js'

const text = Buffer.from('0123456789'.repeat(100))
let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

const serve = async (handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> => {
  server = createServer(handle)
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`
}

const rangeOf = ({ headers }: IncomingMessage): readonly [number, number] => {
  const [, from = '0', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? []
  return [Number(from), to === '' ? text.length : Math.min(text.length, Number(to) + 1)]
}

const sendRange = (request: IncomingMessage, response: ServerResponse, headers: Record<string, string> = {}): void => {
  const [from, to] = rangeOf(request)
  response.writeHead(206, { 'content-range': `bytes ${from}-${to - 1}/${text.length}`, 'content-length': to - from, ...headers }).end(text.subarray(from, to))
}

const read = async (url: string, options: { start?: number; end?: number } = {}): Promise<string> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of readBytes(url, options)) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('http', () => {
  it.each([403, 405, 501])('asks for the first byte where HEAD is refused with %i, as links are that are signed for GET', async (status) => {
    const url = await serve((request, response) => (request.method === 'HEAD' ? void response.writeHead(status).end() : sendRange(request, response, { etag: '"1"' })))
    expect(await storageFor(url).stat(url)).toEqual({ url, size: text.length, version: '"1"' })
    expect(await read(url, { start: 5, end: 8 })).toBe('567')
  })

  it('knows a file without bytes, and one that is refused to GET as well', async () => {
    const empty = await serve((request, response) => void (request.method === 'HEAD' ? response.writeHead(405) : response.writeHead(416, { 'content-range': 'bytes */0' })).end())
    expect(await storageFor(empty).stat(empty)).toMatchObject({ size: 0 })
    server!.close()
    const refused = await serve((_, response) => void response.writeHead(403).end())
    await expect(storageFor(refused).stat(refused)).rejects.toMatchObject({ _tag: 'Storage', code: 'HTTP_403', remedy: 'Check the credentials.' })
  })

  it('does not mix two states of a file that has no ETag', async () => {
    let asked = 0
    const url = await serve((request, response) => {
      const modified = `Thu, 26 Nov 2026 0${++asked}:00:00 GMT`
      if (asked > 1) return sendRange(request, response, { 'last-modified': modified })
      response.writeHead(200, { 'content-length': text.length, 'last-modified': modified })
      response.write(text.subarray(0, 100), () => response.destroy())
    })
    await expect(read(url)).rejects.toMatchObject({ _tag: 'Storage', code: 'HTTP_CHANGED', position: { byte: 100 } })
  })

  it('takes no bytes whose place is not told', async () => {
    const url = await serve((_, response) => void response.writeHead(206, { 'content-length': 3 }).end('abc'))
    await expect(read(url, { start: 5, end: 8 })).rejects.toMatchObject({ _tag: 'Storage', code: 'HTTP_NO_RANGES', position: { byte: 5 } })
  })

  it('reads what is packed on its way though it is asked not to be', async () => {
    const packed = gzipSync(text)
    const url = await serve((_, response) => void response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed))
    expect(await storageFor(url).stat(url)).toMatchObject({ size: undefined, ranges: false })
    expect(await read(url)).toBe(text.toString())
  })

  it.each(['/file', 'http://[bad', 'file:///etc/passwd'])('says that a redirect to %s leads nowhere, at once', async (location) => {
    let asked = 0
    const url = await serve((_, response) => void (asked++, response.writeHead(302, { location }).end()))
    await expect(read(url)).rejects.toMatchObject({ _tag: 'Storage', code: 'HTTP_BAD_REDIRECT' })
    expect(asked).toBeLessThanOrEqual(21)
  })
})
