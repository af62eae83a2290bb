import { Agent, request, type IncomingMessage } from 'node:http'
import { Agent as TlsAgent, request as requestTls } from 'node:https'
import { failure } from '@millrace/core'
import { tlsOptions } from '../../sql-server.js'
import { connectionLost, hiveCodes, HiveFault } from '../hive-fault.js'
import type { ResolvedHive } from '../hive-server.js'
import { beginNegotiation } from './begin-kerberos.js'
import type { HiveTransport } from './hive-transport.js'
import { tooLarge } from '../thrift-error.js'
import { MAX_MESSAGE_BYTES } from '../thrift-types.js'

/** Cookies that a server may leave: it has one for who we are, and a gateway some of its own. */
const MAX_COOKIES = 32

/** Thrift in the bodies of HTTP. Who asks is said with every call: by user and password, or by a ticket, which a cookie spares the next ones. */
export class HttpTransport implements HiveTransport {
  private readonly agent: Agent
  private readonly cookies = new Map<string, string>()
  private readonly closing = new AbortController()
  /** Whether the cookies say who we are, as far as is known. */
  private trusted = true

  constructor(private readonly server: ResolvedHive) {
    this.agent = server.tls === false ? new Agent({ keepAlive: true, maxSockets: 1 }) : new TlsAgent({ keepAlive: true, maxSockets: 1, ...tlsOptions(server.tls) })
  }

  async send(call: Uint8Array): Promise<Uint8Array> {
    const spares = this.server.auth === 'kerberos' && this.trusted && this.cookies.size > 0
    const response = await this.post(call, spares ? undefined : await this.authorization())
    this.keepCookies(response.headers['set-cookie'] ?? [])
    const body = await readBody(response)
    if (response.statusCode === 200) return body
    if (!spares || response.statusCode !== 401) throw this.refused(response, body)
    // Cookies of something in between, or one that is too old.
    this.trusted = false
    return this.send(call)
  }

  close(): void {
    this.closing.abort()
    this.agent.destroy()
  }

  private async authorization(): Promise<string> {
    const { user, password, auth } = this.server
    if (auth !== 'kerberos') return `Basic ${Buffer.from(`${user}:${password ?? 'anonymous'}`).toString('base64')}`
    const { context, token } = await beginNegotiation(this.server, 'spnego')
    context.close()
    return `Negotiate ${Buffer.from(token).toString('base64')}`
  }

  private post(call: Uint8Array, authorization: string | undefined): Promise<IncomingMessage> {
    const { host, port, path, tls } = this.server
    const headers = {
      'content-type': 'application/x-thrift', accept: 'application/x-thrift', 'content-length': call.length, 'user-agent': 'millrace',
      // Servers that fear forged requests ask for it.
      'x-xsrf-header': 'true',
      ...(authorization === undefined ? {} : { authorization }),
      ...(this.cookies.size === 0 ? {} : { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') }),
    }
    return new Promise((resolve, reject) => {
      if (this.closing.signal.aborted) return reject(connectionLost())
      const send = tls === false ? request : requestTls
      const sent = send({ host, port, path: `/${path}`, method: 'POST', headers, agent: this.agent, signal: this.closing.signal }, resolve)
      sent.once('error', (error) => reject(this.closing.signal.aborted ? connectionLost() : error))
      sent.end(call)
    })
  }

  private keepCookies(given: readonly string[]): void {
    for (const text of given) {
      const [, name, value] = /^\s*([^=;\s]+)=([^;]*)/.exec(text) ?? []
      if (name === undefined || value === undefined || (this.cookies.size >= MAX_COOKIES && !this.cookies.has(name))) continue
      this.cookies.set(name, value.trim())
    }
  }

  private refused({ statusCode, headers }: IncomingMessage, body: Uint8Array): Error {
    const said = headers['x-thrift-error-message'] ?? Buffer.from(body).toString('utf8').replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ').trim().slice(0, 300)
    const status = `HTTP status ${statusCode}${said === '' ? '' : `: ${String(said)}`}`
    if (statusCode === 401 || statusCode === 403) return new HiveFault(hiveCodes.denied, status)
    return failure({
      tag: statusCode === 404 ? 'NotFound' : 'Storage', code: 'HIVE_HTTP', problem: `the server answered with ${status}`,
      remedy: 'Check the path (cliservice), the port, and whether the server speaks HTTP.', position: { source: this.server.name },
    })
  }
}

const readBody = async (response: IncomingMessage): Promise<Uint8Array> => {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > MAX_MESSAGE_BYTES) {
      response.destroy()
      throw tooLarge(bytes, MAX_MESSAGE_BYTES)
    }
    parts.push(part)
  }
  return Buffer.concat(parts, bytes)
}
