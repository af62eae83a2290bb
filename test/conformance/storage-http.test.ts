import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe } from 'vitest'
import { readsEveryFormat } from './storage.js'

/** A web server with files in memory, as others have them: ranges, an ETag, no lists. */
describe('http', () => {
  const files = new Map<string, Uint8Array>()
  let server: Server
  let base = ''

  beforeAll(async () => {
    server = createServer((request, response) => {
      const bytes = files.get(request.url!)
      if (bytes === undefined) return void response.writeHead(404).end()
      const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
      const start = range === null ? 0 : Number(range[1])
      const end = range === null || range[2] === '' ? bytes.length : Math.min(bytes.length, Number(range[2]) + 1)
      const part = bytes.subarray(start, end)
      const ranged = range === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }
      response.writeHead(range === null ? 200 : 206, { 'content-length': part.length, 'accept-ranges': 'bytes', etag: '"v1"', ...ranged })
      response.end(request.method === 'HEAD' ? undefined : part)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  })
  afterAll(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  // There is nothing that lists a web server's files: they are named one by one.
  readsEveryFormat('http(s)', async (given) => {
    for (const [name, bytes] of given) files.set(`/${name}`, bytes)
    return given.map(([name]) => `${base}/${name}`)
  })
})
