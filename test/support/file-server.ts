import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** How a server gives a file. Default: whole or by ranges, as fast as it is taken. */
export interface Serving {
  /** `ignored`: it gives the whole file, whatever range is asked for. */
  readonly ranges?: 'ignored' | undefined
  /** It sends so many bytes at a time. */
  readonly pieceBytes?: number | undefined
  /** It cuts the connection after so many bytes of an answer. */
  readonly cutAfter?: number | undefined
  /** How many answers it cuts. Default: all. */
  readonly cuts?: number | undefined
  /** It sends so many bytes of an answer, and then nothing more. */
  readonly stopAfter?: number | undefined
}

/** A web server with files in memory, as others have them: ranges, an ETag, no lists. */
export interface FileServer {
  /** `http://127.0.0.1:port`. */
  readonly base: string
  /** Puts a file; gives its URL. */
  readonly put: (name: string, bytes: Uint8Array, serving?: Serving) => string
  /** Answers that are neither complete nor given up by who asked for them. */
  readonly held: () => number
  /** Has it say nothing any more, until what is given back is called. */
  readonly silence: () => () => void
  readonly close: () => Promise<void>
}

interface ServedFile {
  readonly bytes: Uint8Array
  readonly serving: Serving
  cuts: number
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const sendInPieces = async (response: ServerResponse, part: Uint8Array, pieceBytes: number): Promise<void> => {
  for (let at = 0; at < part.length && !response.destroyed; at += pieceBytes) {
    response.write(part.subarray(at, at + pieceBytes))
    await turn()
  }
  response.end()
}

const sendBody = (response: ServerResponse, part: Uint8Array, file: ServedFile): void => {
  const { pieceBytes, cutAfter = Infinity, stopAfter = Infinity } = file.serving
  response.flushHeaders()
  if (cutAfter < part.length && file.cuts-- > 0) response.write(part.subarray(0, cutAfter), () => response.destroy())
  else if (stopAfter < part.length) response.write(part.subarray(0, stopAfter))
  else if (pieceBytes === undefined) response.end(part)
  else void sendInPieces(response, part, pieceBytes)
}

/** Starts a web server. */
export const startFileServer = async (): Promise<FileServer> => {
  const files = new Map<string, ServedFile>()
  let held = 0
  let spoken: Promise<void> = Promise.resolve()
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const file = files.get(request.url!)
    if (file === undefined) return void response.writeHead(404).end()
    const { bytes, serving } = file
    const range = serving.ranges === 'ignored' ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
    const start = range === null ? 0 : Number(range[1])
    if (range !== null && start >= bytes.length) return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end()
    const end = range === null || range[2] === '' ? bytes.length : Math.min(bytes.length, Number(range[2]) + 1)
    const ranged = range === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }
    const taking = serving.ranges === 'ignored' ? {} : { 'accept-ranges': 'bytes' }
    response.writeHead(range === null ? 200 : 206, { 'content-length': end - start, ...taking, etag: '"v1"', ...ranged })
    if (request.method === 'HEAD') response.end()
    else sendBody(response, bytes.subarray(start, end), file)
  }
  const server = createServer((request, response) => {
    held++
    response.once('close', () => held--)
    void spoken.then(() => answer(request, response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    base,
    put: (name, bytes, serving = {}) => {
      files.set(`/${name}`, { bytes, serving, cuts: serving.cuts ?? Infinity })
      return `${base}/${name}`
    },
    held: () => held,
    silence: () => {
      let speak = (): void => undefined
      spoken = new Promise((resolve) => (speak = resolve))
      return speak
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
