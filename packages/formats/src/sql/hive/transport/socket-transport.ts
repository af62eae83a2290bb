import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { tlsOptions } from '../../sql-server.js'
import { connectionLost, hiveCodes, HiveFault } from '../hive-fault.js'
import type { ResolvedHive } from '../hive-server.js'
import type { HiveTransport } from './hive-transport.js'
import { negotiateKerberos, Sasl, type SaslLayer } from './kerberos-sasl.js'
import { SocketBytes } from './socket-bytes.js'
import { badMessage, tooLarge } from '../thrift-error.js'
import { ThriftScanner } from '../thrift-scanner.js'
import { MAX_MESSAGE_BYTES } from '../thrift-types.js'

const CONNECT_TIMEOUT_MS = 30_000

/** What servers say to PLAIN is nothing, or why not; tokens of Kerberos may list many groups. */
const MAX_SASL_BYTES = 256 * 1024

const connected = (server: ResolvedHive, signal: AbortSignal | undefined): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const { host, port, tls } = server
    const socket = tls === false ? connect({ host, port }) : connectTls({ host, port, servername: /^[\d.]+$|:/.test(host) ? '' : host, ...tlsOptions(tls) })
    const give = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    const stop = (): void => give(connectionLost())
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => give(new HiveFault(hiveCodes.lost, 'connecting timeout expired')))
    socket.once('error', give)
    socket.once(tls === false ? 'connect' : 'secureConnect', () => {
      signal?.removeEventListener('abort', stop)
      socket.removeListener('error', give)
      // One that breaks between two calls says so in the next one.
      socket.on('error', () => undefined)
      socket.setTimeout(0)
      socket.setNoDelay(true)
      socket.setKeepAlive(true, 60_000)
      resolve(socket)
    })
    if (signal?.aborted === true) stop()
    signal?.addEventListener('abort', stop, { once: true })
  })

/** Bytes with their length before them. */
const frameOf = (bytes: Uint8Array): Buffer => {
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** Thrift on a socket: in frames after SASL's negotiation, which it may have agreed to protect, bare without. */
export class SocketTransport implements HiveTransport {
  private readonly bytes: SocketBytes
  private layer: SaslLayer | undefined

  private constructor(
    private readonly socket: Socket,
    private readonly framed: boolean,
  ) {
    this.bytes = new SocketBytes(socket)
  }

  /** Connects, and tells the server who asks. @throws what sockets throw, and `HiveFault` */
  static async open(server: ResolvedHive, signal: AbortSignal | undefined): Promise<SocketTransport> {
    const transport = new SocketTransport(await connected(server, signal), server.auth !== 'nosasl')
    const stop = (): void => transport.close()
    signal?.addEventListener('abort', stop, { once: true })
    const timer = setTimeout(stop, CONNECT_TIMEOUT_MS)
    try {
      if (transport.framed) await transport.authenticate(server)
      return transport
    } catch (error) {
      transport.close()
      throw error
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
    }
  }

  async send(call: Uint8Array): Promise<Uint8Array> {
    if (!this.framed) {
      this.socket.write(call)
      const scanner = new ThriftScanner()
      return this.bytes.takeWhole((bytes) => scanner.scan(bytes), MAX_MESSAGE_BYTES)
    }
    if (this.layer === undefined) {
      this.socket.write(frameOf(call))
      return this.frame()
    }
    const { layer } = this
    for (let at = 0; at < call.length; at += layer.frameBytes) this.socket.write(frameOf(await layer.wrap(call.subarray(at, at + layer.frameBytes))))
    return layer.unwrap(await this.frame())
  }

  close(): void {
    this.socket.destroy()
    this.layer?.close()
  }

  private async frame(): Promise<Buffer> {
    const size = (await this.bytes.take(4)).readUInt32BE(0)
    if (size > MAX_MESSAGE_BYTES) throw tooLarge(size, MAX_MESSAGE_BYTES)
    return this.bytes.take(size)
  }

  private async authenticate(server: ResolvedHive): Promise<void> {
    if (server.auth === 'kerberos') {
      this.layer = await negotiateKerberos(server, { say: (status, payload) => this.say(status, payload), hear: () => this.hear() })
      return
    }
    this.say(Sasl.start, Buffer.from('PLAIN'))
    // Servers that check nothing want something all the same.
    this.say(Sasl.ok, Buffer.from(`\0${server.user}\0${server.password ?? 'anonymous'}`))
    const { status, payload } = await this.hear()
    if (status === Sasl.complete) return
    const said = payload.toString('utf8')
    throw new HiveFault(hiveCodes.denied, said === '' ? 'the server does not take the user, or not by PLAIN' : said)
  }

  private async hear(): Promise<{ readonly status: number; readonly payload: Buffer }> {
    const head = await this.bytes.take(5)
    const size = head.readUInt32BE(1)
    if (head[0]! < Sasl.start || head[0]! > Sasl.complete || size > MAX_SASL_BYTES) throw badMessage('it does not know SASL', 0)
    return { status: head[0]!, payload: await this.bytes.take(size) }
  }

  private say(status: number, payload: Uint8Array): void {
    const head = Buffer.alloc(5)
    head.writeUInt8(status)
    head.writeInt32BE(payload.length, 1)
    this.socket.write(Buffer.concat([head, payload]))
  }
}
