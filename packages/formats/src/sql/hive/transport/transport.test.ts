import { once } from 'node:events'
import { createServer as createHttp, type IncomingMessage } from 'node:http'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { readHive } from '../read-hive.js'
import { resolveHive } from '../hive-server.js'
import { encodeCall, encode } from '../thrift-writer.js'
import { HttpTransport } from './http-transport.js'
import { SocketTransport } from './socket-transport.js'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A server that says something to each connection, once it has heard something. */
const saying = async (bytes: Uint8Array): Promise<string> => {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => socket.write(bytes))
  }).listen(0, '127.0.0.1')
  closers.push(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await once(server, 'listening')
  return `hive://reader:secret@127.0.0.1:${(server.address() as AddressInfo).port}`
}

const errorOf = async (url: string): Promise<unknown> => {
  try {
    for await (const batch of readHive(url, 'SELECT 1')) expect(batch).toBeUndefined()
  } catch (error) {
    return error
  }
  return undefined
}

const frame = (status: number, size: number, text = ''): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt8(status)
  head.writeUInt32BE(size, 1)
  return Buffer.concat([head, Buffer.from(text)])
}

describe('a socket', () => {
  it('whose server refuses the user, or says what no server should, is an error of ours', async () => {
    const refusal = 'Error validating the login'
    expect(await errorOf(await saying(frame(3, refusal.length, refusal)))).toMatchObject({ _tag: 'Storage', code: 'SQL_ACCESS_DENIED', message: expect.stringContaining(refusal) as string })
    expect(await errorOf(await saying(frame(5, 2 ** 31)))).toMatchObject({ _tag: 'Corrupt', code: 'HIVE_MESSAGE' })
    expect(await errorOf(await saying(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')))).toMatchObject({ _tag: 'Corrupt', code: 'HIVE_MESSAGE' })
    // The negotiation is over, and the next frame would be 4 GiB.
    expect(await errorOf(await saying(Buffer.concat([frame(5, 0), Buffer.from([255, 255, 255, 255])])))).toMatchObject({ _tag: 'Limit', code: 'HIVE_MESSAGE_SIZE' })
    expect(await errorOf(`${await saying(Buffer.from('SSH-2.0-OpenSSH\r\n'))}?auth=nosasl`)).toMatchObject({ _tag: 'Corrupt', code: 'HIVE_MESSAGE' })
  })

  it('gives messages whole, however they are cut, and fails what waits when it is closed', async () => {
    const url = await saying(Buffer.alloc(0))
    const transport = await SocketTransport.open(resolveHive(`${url}?auth=nosasl`), undefined)
    const waiting = transport.send(encodeCall('OpenSession', 1, encode.struct({})))
    transport.close()
    await expect(waiting).rejects.toThrow(/closed/)
    const message = Buffer.from(encodeCall('OpenSession', 1, encode.struct({ 1: encode.string('x'.repeat(100_000)), 2: encode.i64(5) })))
    const echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
    closers.push(() => echo.close())
    await once(echo, 'listening')
    const echoed = await SocketTransport.open(resolveHive(`hive://127.0.0.1:${(echo.address() as AddressInfo).port}?auth=nosasl`), undefined)
    for (let i = 0; i < 3; i++) expect(Buffer.from(await echoed.send(message)).equals(message)).toBe(true)
    echoed.close()
  })
})

describe('HTTP', () => {
  it('keeps cookies, says who asks, and tells refusals apart', async () => {
    const seen: IncomingMessage[] = []
    const server = createHttp((request, response) => {
      seen.push(request)
      request.resume()
      request.on('end', () => {
        if (request.url !== '/cliservice') return response.writeHead(401).end('<html><b>who</b> are you?</html>')
        response.writeHead(200, { 'set-cookie': [`hive.server2.auth=${seen.length}; Path=/; HttpOnly`, 'lb=a; Secure'] }).end('answer')
      })
    }).listen(0, '127.0.0.1')
    closers.push(() => {
      server.close()
      server.closeAllConnections()
    })
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const transport = new HttpTransport(resolveHive(`hive+http://u:p%3Aw@127.0.0.1:${port}`))
    for (let i = 0; i < 2; i++) expect(Buffer.from(await transport.send(new Uint8Array([1]))).toString()).toBe('answer')
    expect(seen.map(({ headers }) => headers.cookie)).toEqual([undefined, 'hive.server2.auth=1; lb=a'])
    expect(seen[0]!.headers).toMatchObject({ authorization: `Basic ${Buffer.from('u:p:w').toString('base64')}`, 'content-type': 'application/x-thrift', 'x-xsrf-header': 'true' })
    transport.close()
    await expect(transport.send(new Uint8Array([1]))).rejects.toThrow(/closed/)
    expect(await errorOf(`hive+http://u:hidden@127.0.0.1:${port}/other`)).toMatchObject({ _tag: 'Storage', code: 'SQL_ACCESS_DENIED', message: expect.stringMatching(/^(?!.*hidden).*401: who are you/) as string })
  })
})
