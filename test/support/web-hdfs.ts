import type { IncomingMessage, ServerResponse } from 'node:http'
import { basename, dirname } from 'node:path/posix'

/** Files of one small file system, by their paths. */
export class WebHdfsFiles {
  readonly files = new Map<string, { readonly id: number; bytes: Buffer }>()
  /** What was asked: `OPEN`, `DATA GET` and the like. */
  readonly asked: string[] = []
  private ids = 1

  /**
   * A name node and its data node on one address: the first answers `/webhdfs/v1`, and redirects to the second at `/data`.
   *
   * @param origin - where they are, as redirects say it
   */
  handle(request: IncomingMessage, response: ServerResponse, origin: string): void {
    const url = new URL(request.url!, origin)
    const isData = url.pathname.startsWith('/data')
    const path = decodeURIComponent(url.pathname.replace(/^\/(data|webhdfs\/v1)/, ''))
    const op = url.searchParams.get('op')!
    this.asked.push(isData ? `DATA ${request.method}` : op)
    if (!isData && ['OPEN', 'CREATE', 'APPEND'].includes(op)) return void response.writeHead(307, { location: `${origin}/data${url.pathname.slice('/webhdfs/v1'.length)}${url.search}` }).end()
    if (request.method === 'GET' || request.method === 'DELETE') return this.answer(response, op, path, url.searchParams, Buffer.alloc(0))
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => this.answer(response, op, path, url.searchParams, Buffer.concat(chunks)))
  }

  private answer(response: ServerResponse, op: string, path: string, parameters: URLSearchParams, body: Buffer): void {
    const json = (value: object, status = 200): void => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    const missing = (): void => json({ RemoteException: { exception: 'FileNotFoundException', javaClassName: 'java.io.FileNotFoundException', message: 'File does not exist' } }, 404)
    const status = (at: string, pathSuffix: string): object => {
      const { id, bytes } = this.files.get(at)!
      return { pathSuffix, type: 'FILE', length: bytes.length, modificationTime: 1, fileId: id }
    }
    const file = this.files.get(path)
    switch (op) {
      case 'CREATE':
        this.files.set(path, { id: this.ids++, bytes: body })
        return void response.writeHead(201).end()
      case 'APPEND':
        if (file === undefined) return missing()
        file.bytes = Buffer.concat([file.bytes, body])
        return void response.writeHead(200).end()
      case 'OPEN': {
        if (file === undefined) return missing()
        const offset = Number(parameters.get('offset') ?? 0)
        return void response.writeHead(200).end(file.bytes.subarray(offset, offset + Number(parameters.get('length') ?? Infinity)))
      }
      case 'GETFILESTATUS':
        return file === undefined ? missing() : json({ FileStatus: status(path, '') })
      case 'LISTSTATUS_BATCH':
      case 'LISTSTATUS': {
        const FileStatuses = { FileStatus: [...this.files.keys()].filter((at) => dirname(at) === path).sort().map((at) => status(at, basename(at))) }
        return json(op === 'LISTSTATUS' ? { FileStatuses } : { DirectoryListing: { partialListing: { FileStatuses }, remainingEntries: 0 } })
      }
      case 'RENAME':
        if (file === undefined) return missing()
        this.files.delete(path)
        this.files.set(parameters.get('destination')!, file)
        return json({})
      case 'DELETE':
        return json({ boolean: this.files.delete(path) })
      default:
        return void response.writeHead(400).end()
    }
  }
}
