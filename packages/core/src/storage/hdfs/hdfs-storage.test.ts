import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errorOf } from '../../../../../test/support/error-of.js'
import { hdfsStorage } from './hdfs-storage.js'

/** What a server that is not as it should be does; the real ones are in test/peers/storage-hdfs*.test.ts. */
type Handler = (op: string, url: URL, request: IncomingMessage, response: ServerResponse) => void

describe('HDFS that misbehaves', () => {
  let server: Server
  let origin = ''
  let root = ''
  let handler: Handler
  let asked: string[]
  const token = 'c2VjcmV0LXRva2Vu'.repeat(8)
  const storage = hdfsStorage({ scheme: 'webhdfs', delegationToken: token })

  beforeEach(async () => {
    asked = []
    server = createServer((request, response) => {
      const url = new URL(request.url!, origin)
      const op = url.pathname.startsWith('/data') ? 'DATA' : url.searchParams.get('op')!
      asked.push(op)
      handler(op, url, request, response)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    root = origin.replace('http', 'webhdfs')
  })
  afterEach(() => {
    server.close()
    server.closeAllConnections()
  })

  const json = (response: ServerResponse, value: unknown, status = 200): void => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  const status = (fields: object = {}): object => ({ pathSuffix: '', type: 'FILE', length: 10, modificationTime: 1, fileId: 7, ...fields })
  const exception = (response: ServerResponse, name: string, message: string, code = 403): void => json(response, { RemoteException: { exception: name, javaClassName: `org.apache.hadoop.${name}`, message } }, code)
  const redirect = (response: ServerResponse, location: string): void => void response.writeHead(307, { location }).end()
  /** A file of ten bytes, of which data nodes do what is asked for. */
  const file = (onOpen: Handler, onData: Handler): Handler => (op, url, request, response) => {
    if (op === 'GETFILESTATUS') json(response, { FileStatus: status() })
    else if (op === 'OPEN') onOpen(op, url, request, response)
    else onData(op, url, request, response)
  }
  const toData: Handler = (_op, url, _request, response) => redirect(response, `${origin}/data?offset=${url.searchParams.get('offset')}`)
  const read = async (start = 0): Promise<string> => {
    const chunks: Uint8Array[] = []
    for await (const chunk of storage.read(`${root}/file`, { start })) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  }

  it('sends credentials to the name node only', async () => {
    let seen: unknown
    handler = file(
      (_op, url, _request, response) => {
        expect(url.searchParams.get('delegation')).toBe(token)
        redirect(response, `${origin.replace('127.0.0.1', 'localhost')}/data`)
      },
      (_op, url, request, response) => {
        seen = [url.search, request.headers.authorization, request.headers.cookie]
        response.end('0123456789')
      },
    )
    server.close()
    await once(server.listen((new URL(origin)).port), 'listening')
    expect(await read()).toBe('0123456789')
    expect(seen).toEqual(['', undefined, undefined])
  })

  it.each([['file:///etc/passwd', 'HDFS_BAD_REDIRECT'], ['ftp://host/x', 'HDFS_BAD_REDIRECT'], ['http://[', 'HDFS_BAD_REDIRECT']])('is not followed to %s', async (location, code) => {
    handler = file((_op, _url, _request, response) => redirect(response, location), () => undefined)
    expect(await errorOf(() => read())).toMatchObject({ _tag: 'Storage', code })
    expect(asked).toEqual(['GETFILESTATUS', 'OPEN'])
  })

  it('is followed once', async () => {
    handler = file(toData, (_op, _url, _request, response) => redirect(response, `${origin}/data`))
    expect(await errorOf(() => read())).toMatchObject({ _tag: 'Storage', code: 'HDFS_REDIRECTS' })
    expect(asked).toEqual(['GETFILESTATUS', 'OPEN', 'DATA'])
  })

  it('is read on where a body ends early, and cut where it goes on', async () => {
    let first = true
    handler = file(toData, (_op, url, _request, response) => {
      const offset = Number(url.searchParams.get('offset'))
      response.end(first ? '0123' : `${'0123456789'.slice(offset)}and more`)
      first = false
    })
    expect(await read()).toBe('0123456789')
    expect(asked).toEqual(['GETFILESTATUS', 'OPEN', 'DATA', 'GETFILESTATUS', 'OPEN', 'DATA'])
    expect(await read(10)).toBe('')
  })

  it('is given up where bodies stay short', async () => {
    handler = file(toData, (_op, url, _request, response) => void response.end(url.searchParams.get('offset') === '0' ? '0123' : ''))
    expect(await errorOf(() => read())).toMatchObject({ _tag: 'Corrupt', code: 'HDFS_SHORT_BODY', position: { byte: 4, source: `${root}/file` } })
  })

  it('is not read on where the file has changed', async () => {
    let changes = 1
    handler = (op, url, request, response) => {
      if (op === 'GETFILESTATUS') json(response, { FileStatus: status({ modificationTime: changes++ }) })
      else if (op === 'OPEN') toData(op, url, request, response)
      else response.end('0123')
    }
    expect(await errorOf(() => read())).toMatchObject({ _tag: 'Storage', code: 'HDFS_FILE_CHANGED', position: { byte: 4 } })
  })

  it.each([
    ['no JSON', (response: ServerResponse) => void response.end('<html>')],
    ['null', (response: ServerResponse) => json(response, null)],
    ['no status', (response: ServerResponse) => json(response, { FileStatus: 7 })],
    ['a negative length', (response: ServerResponse) => json(response, { FileStatus: status({ length: -1 }) })],
    ['a length that is none', (response: ServerResponse) => json(response, { FileStatus: status({ length: 1e300 }) })],
    ['nothing', (response: ServerResponse) => void response.end()],
  ])('that answers with %s is told', async (_, answer) => {
    handler = (_op, _url, _request, response) => answer(response)
    expect(await errorOf(() => storage.stat(`${root}/file`))).toMatchObject({ _tag: 'Storage', code: 'HDFS_BAD_ANSWER' })
  })

  it('that never ends its answer is left', async () => {
    handler = (_op, _url, _request, response) => {
      const chunk = Buffer.alloc(1 << 20, ' ')
      const more = (): void => void (!response.destroyed && response.write(chunk, more))
      more()
    }
    expect(await errorOf(() => storage.stat(`${root}/file`))).toMatchObject({ _tag: 'Limit', code: 'HDFS_ANSWER_TOO_LARGE' })
  })

  const page = (names: readonly string[], remaining: number): object => ({
    DirectoryListing: { partialListing: { FileStatuses: { FileStatus: names.map((pathSuffix) => status({ pathSuffix })) } }, remainingEntries: remaining },
  })

  it.each([['whose pages go round', page(['a', 'b'], 2)], ['whose pages are empty', page([], 2)], ['with names that lead elsewhere', page(['../a'], 0)], ['with .. as a name', page(['..'], 0)]])('with listings %s is told', async (_, answer) => {
    handler = (_op, _url, _request, response) => json(response, answer)
    expect(await errorOf(() => storage.list!(`${root}/*`))).toMatchObject({ code: 'HDFS_BAD_ANSWER' })
    expect(asked.length).toBeLessThan(4)
  })

  it('that knows no pages is listed at once', async () => {
    handler = (op, _url, _request, response) => {
      if (op === 'LISTSTATUS_BATCH') exception(response, 'IllegalArgumentException', 'Invalid value for webhdfs parameter "op"', 400)
      else json(response, { FileStatuses: { FileStatus: [status({ pathSuffix: 'b' }), status({ pathSuffix: 'a' }), status({ pathSuffix: '.a' })] } })
    }
    expect(await storage.list!(`${root}/*`)).toMatchObject(['a', 'b'].map((name) => ({ url: `${root}/${name}`, size: 10 })))
  })

  it('that has folders in folders without end is left', async () => {
    let asked = 0
    handler = (_op, _url, _request, response) => {
      asked++
      json(response, { DirectoryListing: { partialListing: { FileStatuses: { FileStatus: [status({ pathSuffix: 'd', type: 'DIRECTORY' })] } }, remainingEntries: 0 } })
    }
    expect(await errorOf(async () => storage.list!(`${root}/**`))).toMatchObject({ code: 'HDFS_BAD_ANSWER' })
    expect(asked).toBe(1000)
  })

  it('shows no token in its errors', async () => {
    handler = (_op, url, _request, response) => exception(response, 'IOException', `cannot open ${url.href} for signature=abc\n\tat java.lang`)
    const error = await errorOf(() => storage.stat(`${root}/file`))
    expect(error).toMatchObject({ code: 'HDFS_IO', message: expect.stringContaining('delegation=…') as string })
    expect(`${error.stack} ${JSON.stringify(error)}`).not.toMatch(new RegExp(`${token.slice(0, 20)}|abc|java.lang`))
  })

  it('that wants Kerberos needs the optional package', async () => {
    handler = (_op, _url, _request, response) => void response.writeHead(401, { 'www-authenticate': 'Negotiate' }).end()
    expect(await errorOf(() => storage.stat(`${root}/file`))).toMatchObject({ _tag: 'MissingPeer', message: expect.stringContaining('kerberos') as string })
  })

  it('is a gateway, which serves files itself and knows no options of a rename', async () => {
    const files = new Map<string, Buffer>()
    handler = (op, url, request, response) => {
      const path = url.pathname.replace('/webhdfs/v1', '')
      const bytes = files.get(path)
      const writes = op === 'CREATE' || op === 'APPEND'
      if (writes && url.searchParams.get('data') !== 'true') return redirect(response, `${url.href}&data=true`)
      if (writes) {
        const chunks: Buffer[] = []
        request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
          files.set(path, Buffer.concat([op === 'APPEND' ? bytes! : Buffer.alloc(0), ...chunks]))
          response.writeHead(op === 'CREATE' ? 201 : 200).end()
        })
        return
      }
      if (op === 'DELETE') return json(response, { boolean: files.delete(path) })
      if (bytes === undefined) return exception(response, 'FileNotFoundException', 'no such file', 404)
      if (op === 'GETFILESTATUS') return json(response, { FileStatus: { pathSuffix: '', type: 'FILE', length: bytes.length, modificationTime: 1 } })
      if (op === 'OPEN') return void response.end(bytes.subarray(Number(url.searchParams.get('offset'))))
      const target = url.searchParams.get('destination')!
      const isFree = !files.has(target)
      if (isFree) files.set(target, bytes)
      if (isFree) files.delete(path)
      json(response, { boolean: isFree })
    }
    const write = async (text: string, ifExists: 'fail' | 'replace'): Promise<void> => {
      const output = await storage.create!(`${root}/file`, { ifExists })
      await output.write(Buffer.from(text))
      await output.close()
      await output.commit()
    }
    await write('one', 'fail')
    expect(await read()).toBe('one')
    expect(await errorOf(() => write('two', 'fail'))).toMatchObject({ code: 'OUTPUT_EXISTS' })
    await write('two', 'replace')
    expect(await read()).toBe('two')
    expect([...files.keys()]).toEqual(['/file'])
  })

  it('takes a lost answer to a rename for what was done', async () => {
    let renamed = false
    handler = (op, url, request, response) => {
      const isTemporary = url.pathname.endsWith('.tmp')
      if (op === 'CREATE') return redirect(response, `${origin}/data`)
      if (op === 'DATA') return void request.resume().on('end', () => response.writeHead(201).end())
      if (op === 'RENAME' && !renamed) {
        renamed = true
        return void response.destroy()
      }
      if (op === 'GETFILESTATUS' && isTemporary !== renamed) return json(response, { FileStatus: status({ length: 0 }) })
      exception(response, 'FileNotFoundException', 'no such file', 404)
    }
    const output = await storage.create!(`${root}/file`, { ifExists: 'fail' })
    await output.commit()
    expect(renamed).toBe(true)
  })

  it('refuses options that make no sense', () => {
    expect(() => hdfsStorage({ partBytes: 0 })).toThrow(/partBytes is 0/)
    expect(() => hdfsStorage({ scheme: 'http' as never })).toThrow(/scheme/)
  })
})
