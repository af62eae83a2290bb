import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCertificate } from '../support/certificate.js'
import { buildProgram } from '../support/program.js'

const csv = `id\n${Array.from({ length: 300 }, (_, id) => id).join('\n')}\n`

/** Says how many rows the file of its argument has, or why it was not read. */
const program = `
  import { field } from '@millrace/core'
  import { readCsv } from '@millrace/formats'
  try {
    let rows = 0
    for await (const batch of readCsv(process.argv[2], { schema: { id: field.int32() } })) rows += batch.numRows
    console.log(JSON.stringify({ rows }))
  } catch (error) {
    console.log(JSON.stringify({ code: error.code, message: error.message }))
  }
`

/** A hook by which Node finds no package undici. */
const withoutUndici = `data:text/javascript,${encodeURIComponent(`
  import { register } from 'node:module'
  register('data:text/javascript,' + encodeURIComponent("export const resolve = (name, context, next) => { if (name === 'undici') throw Object.assign(new Error(\\"Cannot find package 'undici'\\"), { code: 'ERR_MODULE_NOT_FOUND' }); return next(name, context) }"))
`)}`

describe('a process behind a proxy', () => {
  let folder: string
  let origin: Server
  let proxy: Server
  let file: string
  let certificate: string
  const tunnels: string[] = []
  const sockets = new Set<Socket>()
  const portOf = (server: Server): number => (server.address() as AddressInfo).port

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-proxy-'))
    const made = makeCertificate(folder, ['DNS:files.example'])
    certificate = made.file
    origin = createTlsServer({ key: made.key, cert: made.cert }, (request, response) => {
      const range = /^bytes=(\d+)-/.exec(request.headers.range ?? '')
      const body = Buffer.from(csv).subarray(Number(range?.[1] ?? 0))
      response.writeHead(range === null ? 200 : 206, { 'content-length': body.length, 'accept-ranges': 'bytes', ...(range === null ? {} : { 'content-range': `bytes ${range[1]}-${csv.length - 1}/${csv.length}` }) })
      response.end(request.method === 'HEAD' ? undefined : body)
    })
    proxy = createServer((_, response) => void response.writeHead(400).end())
    proxy.on('connect', ({ url }: { readonly url?: string }, socket: Socket) => {
      tunnels.push(url!)
      const onward = connect(portOf(origin), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        socket.pipe(onward).pipe(socket)
      })
      for (const one of [socket, onward]) sockets.add(one.on('error', () => undefined))
    })
    for (const server of [origin, proxy]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    file = await buildProgram(program, 'proxy')
  })
  afterAll(async () => {
    for (const socket of sockets) socket.destroy()
    for (const server of [origin, proxy]) {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
    rmSync(folder, { recursive: true, force: true })
  })

  const run = async (env: Record<string, string>, ...flags: string[]): Promise<unknown> => {
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, file, 'https://files.example/x.csv'], {
      env: { PATH: process.env['PATH'], NODE_EXTRA_CA_CERTS: certificate, HTTPS_PROXY: `http://127.0.0.1:${portOf(proxy)}`, ...env },
    })
    return JSON.parse(stdout)
  }

  it('reads https through a tunnel, whose other end is who the certificate says', async () => {
    expect(await run({})).toEqual({ rows: 300 })
    expect(new Set(tunnels)).toEqual(new Set(['files.example:443']))
    expect(await run({ NODE_EXTRA_CA_CERTS: '' })).toMatchObject({ code: 'HTTP_UNREACHABLE' })
  })

  it('is told which package it takes', async () => {
    const told = (await run({}, '--import', withoutUndici)) as { readonly code: string; readonly message: string }
    expect(told.code).toBe('MISSING_PEER')
    expect(told.message).toContain('Install it: npm install undici')
  })
})
