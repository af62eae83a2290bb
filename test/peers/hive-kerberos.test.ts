import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { createServer as createHttp, request, type IncomingHttpHeaders } from 'node:http'
import { createRequire } from 'node:module'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, fromRows, pipe, run } from '@millrace/core'
import { readHive, writeHive } from '@millrace/formats'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { errorOf } from '../support/error-of.js'
import { kerberosPackage } from '../support/hdfs-cluster.js'
import { describeHiveApache, startHiveApache, type HiveApache } from '../support/hive-apache.js'
import { startKdc, type TestKdc } from '../support/kdc.js'
import { describeUnless } from '../support/peer.js'
import { readOut } from '../support/sql-suite.js'

/** Whether the package koffi is there. */
let koffi = false

// The package kerberos is not among the project's dependencies, since it has to be compiled.
vi.mock('../../packages/core/src/errors/missing-peer.js', () => ({
  loadPeer: async (name: string, _use: string, load: () => Promise<unknown>): Promise<unknown> => {
    if (name === 'kerberos') return { default: createRequire(import.meta.url)(kerberosPackage) as unknown }
    if (koffi) return load()
    throw new Error(`no ${name}`)
  },
}))

const ways = {
  integrity: { 'hive.server2.thrift.sasl.qop': 'auth-int' },
  privacy: { 'hive.server2.thrift.sasl.qop': 'auth-conf' },
  http: { 'hive.server2.transport.mode': 'http' },
  httpWithoutCookies: { 'hive.server2.transport.mode': 'http', 'hive.server2.thrift.http.cookie.auth.enabled': 'false' },
} as const

describeUnless(existsSync(kerberosPackage) ? undefined : 'no package kerberos: run npm run peers:setup', 'Kerberos', () => describeHiveApache('Apache Hive with Kerberos', () => {
  let kdc: TestKdc
  let server: HiveApache<keyof typeof ways>
  const before = { ...process.env }
  const schema = { id: field.int64(), t: field.utf8() }
  const rows = Array.from({ length: 5000 }, (_, id) => ({ id: BigInt(id), t: `row ${id}`.repeat(20) }))

  beforeAll(async () => {
    kdc = await startKdc(['hive/localhost', 'HTTP/localhost', 'alice'])
    process.env['KRB5_CONFIG'] = kdc.configuration
    process.env['KRB5CCNAME'] = `FILE:${join(kdc.folder, 'tickets')}`
    server = await startHiveApache({
      kerberos: kdc.configuration, ways,
      hive: {
        'hive.server2.authentication': 'KERBEROS', 'hive.server2.authentication.kerberos.principal': `hive/localhost@${kdc.realm}`, 'hive.server2.authentication.kerberos.keytab': kdc.keytab,
        'hive.server2.authentication.spnego.principal': `HTTP/localhost@${kdc.realm}`, 'hive.server2.authentication.spnego.keytab': kdc.keytab, 'hive.server2.thrift.sasl.qop': 'auth',
        // Its readers of tables ask for the renewer of tokens, also where there is none.
        'yarn.resourcemanager.principal': `hive/localhost@${kdc.realm}`,
      },
    })
  }, 300_000)
  afterAll(async () => {
    process.env = before
    await Promise.all([server?.stop(), kdc?.stop()])
  })

  const closers: (() => void)[] = []
  afterEach(() => {
    for (const close of closers.splice(0)) close()
  })

  /** The client's keytab begins with the server's keys: tickets are for the one who is named first in it. */
  const asClient = (): void => void (process.env['KRB5_CLIENT_KTNAME'] = `FILE:${kdc.keytab}`)
  const portOf = (way: string): number => (way === 'plain' ? server.port : server.ways[way as keyof typeof ways])
  const urlOf = (way: string, port = portOf(way), principal = `hive/_HOST@${kdc.realm}`): string =>
    way.startsWith('http') ? `hive+http://localhost:${port}/cliservice?database=default&auth=kerberos&principal=${principal}` : `hive://localhost:${port}/default?auth=kerberos&principal=${principal}`
  const one = 'SELECT 1 AS one'
  const listening = async (proxy: Server): Promise<number> => {
    proxy.listen(0, '127.0.0.1')
    closers.push(() => proxy.close())
    await once(proxy, 'listening')
    return (proxy.address() as AddressInfo).port
  }

  test('by the package kerberos alone, servers are asked that do not protect messages by SASL', async () => {
    for (const way of ['plain', 'http']) {
      delete process.env['KRB5_CLIENT_KTNAME']
      rmSync(join(kdc.folder, 'tickets'), { force: true })
      expect((await readOut(readHive(urlOf(way), one))).error, way).toMatchObject({ _tag: 'Storage', code: 'KERBEROS_TICKET', message: expect.stringMatching(/hive\/localhost .*kinit/) as string })
      asClient()
      expect(await readOut(readHive(urlOf(way), one)), way).toMatchObject({ error: undefined, rows: [{ one: 1 }] })
    }
    for (const way of ['integrity', 'privacy']) {
      expect((await readOut(readHive(urlOf(way), one))).error, way).toMatchObject({ _tag: 'Usage', code: 'HIVE_QOP', message: expect.stringMatching(/npm install koffi/) as string })
    }
  })

  describe('by the system\'s library', () => {
    beforeAll(() => void (koffi = true))

    test('without a ticket says what to do', async () => {
      delete process.env['KRB5_CLIENT_KTNAME']
      rmSync(join(kdc.folder, 'tickets'), { force: true })
      for (const way of ['plain', 'http']) {
        expect((await readOut(readHive(urlOf(way), one))).error, way).toMatchObject({ _tag: 'Storage', code: 'KERBEROS_TICKET', message: expect.stringMatching(/hive\/localhost .*redentials.*kinit/) as string })
      }
    })

    test('a table is written, and read by every way', async () => {
      asClient()
      const staging = mkdtempSync(join(realpathSync(tmpdir()), 'millrace-kerberos-'))
      try {
        expect(await run(pipe(fromRows(schema, rows), writeHive(urlOf('privacy'), 'wide', { staging })))).toMatchObject({ rows: 5000, created: true })
        expect(readdirSync(staging)).toEqual([])
      } finally {
        rmSync(staging, { recursive: true })
      }
      // Longer than what servers take in one protected frame.
      const long = 'x'.repeat(200_000)
      for (const way of ['plain', ...Object.keys(ways)]) {
        const out = await readOut(readHive(urlOf(way), { table: 'wide' }, { schema }))
        expect(out.error, way).toBeUndefined()
        expect([...out.rows].sort((a, b) => Number(a['id']) - Number(b['id']))).toEqual(rows)
        expect(await readOut(readHive(urlOf(way), 'SELECT length(?) AS n', { parameters: [long] })), way).toMatchObject({ error: undefined, rows: [{ n: long.length }] })
      }
      expect(await readOut(readHive(urlOf('http', portOf('http'), 'HTTP/_HOST'), one))).toMatchObject({ error: undefined, rows: [{ one: 1 }] })
    })

    test('who does not show a ticket, or asks for another service, is refused', async () => {
      asClient()
      const refused = [
        `hive://reader:secret@localhost:${server.port}/default`, urlOf('plain', server.port, `HTTP/_HOST@${kdc.realm}`), urlOf('plain', server.port, 'nobody/_HOST'),
        `hive+http://reader:secret@localhost:${portOf('http')}/cliservice`, urlOf('http', portOf('http'), 'nobody/_HOST'),
      ]
      for (const connection of refused) expect((await errorOf(async () => Promise.reject((await readOut(readHive(connection, one))).error as Error)))._tag, connection).toBe('Storage')
    })

    /** A way through somebody who sees, and may change, what the server says. */
    const through = async (way: string, change: (bytes: Buffer) => Buffer): Promise<{ readonly url: string; readonly seen: () => string }> => {
      const sockets: Socket[] = []
      const parts: Buffer[] = []
      const port = await listening(createServer((from) => {
        const to = connect(portOf(way), '127.0.0.1')
        sockets.push(from, to)
        for (const socket of [from, to]) socket.on('error', () => undefined)
        from.on('data', (bytes) => {
          parts.push(bytes)
          to.write(bytes)
        })
        to.on('data', (bytes) => {
          parts.push(bytes)
          from.write(change(bytes))
        })
        from.on('close', () => to.destroy())
        to.on('close', () => from.destroy())
      }))
      closers.push(() => {
        for (const socket of sockets) socket.destroy()
      })
      return { url: urlOf(way, port), seen: () => Buffer.concat(parts).toString('latin1') }
    }
    const same = (bytes: Buffer): Buffer => bytes

    test('what is private cannot be read on the way, what is only sound can', async () => {
      asClient()
      const seenBy = async (way: string): Promise<boolean> => {
        const { url, seen } = await through(way, same)
        expect(await readOut(readHive(url, "SELECT 'very private' AS t"))).toMatchObject({ error: undefined, rows: [{ t: 'very private' }] })
        return seen().includes('very private')
      }
      expect([await seenBy('plain'), await seenBy('integrity'), await seenBy('privacy')]).toEqual([true, true, false])
    })

    test('what was changed on the way, said twice, or made up is an error', async () => {
      asClient()
      const flipped = (bytes: Buffer): Buffer => {
        const copy = Buffer.from(bytes)
        copy[copy.length - 1]! ^= 1
        return copy
      }
      let last = Buffer.alloc(0)
      const again = (bytes: Buffer): Buffer => {
        const before = last
        last = Buffer.from(bytes)
        return before.length === 0 ? bytes : before
      }
      const madeUp = (): Buffer => Buffer.concat([Buffer.of(0, 0, 0, 8), Buffer.alloc(8, 7)])
      for (const way of ['integrity', 'privacy']) {
        for (const [name, change, message] of [['changed', flipped, /not protected as was agreed/], ['twice', again, /not protected as was agreed/], ['made up', madeUp, /not protected as was agreed/], ['too long', () => Buffer.alloc(8, 255), /4294967295 bytes/]] as const) {
          let negotiated = 0
          // A token, an offer of layers, and the word that all is well come before the first message.
          const { url } = await through(way, (bytes) => (negotiated++ < 3 ? bytes : change(bytes)))
          const { error } = await readOut(readHive(url, one))
          expect(error, `${way}, ${name}`).toMatchObject({ message: expect.stringMatching(message) as string })
        }
      }
    })

    test('over HTTP a ticket is shown once, and again where the cookie is not taken', async () => {
      asClient()
      const headersOf = async (way: string, change: (headers: IncomingHttpHeaders, nth: number) => void): Promise<readonly IncomingHttpHeaders[]> => {
        const seen: IncomingHttpHeaders[] = []
        const port = await listening(createHttp((from, answer) => {
          seen.push({ ...from.headers })
          change(from.headers, seen.length)
          from.pipe(request({ host: '127.0.0.1', port: portOf(way), path: from.url, method: from.method, headers: from.headers }, (to) => {
            answer.writeHead(to.statusCode!, to.headers)
            to.pipe(answer)
          }))
        }))
        expect(await readOut(readHive(urlOf(way, port), one))).toMatchObject({ error: undefined, rows: [{ one: 1 }] })
        return seen
      }
      const tickets = (seen: readonly IncomingHttpHeaders[]): number => seen.filter(({ authorization }) => authorization?.startsWith('Negotiate ') === true).length
      const plain = await headersOf('http', () => undefined)
      expect([tickets(plain), plain[0]!.authorization === undefined, plain[1]!.cookie]).toEqual([1, false, expect.stringContaining('hive.server2.auth=')])
      const without = await headersOf('httpWithoutCookies', () => undefined)
      expect(tickets(without)).toBe(without.length)
      const lost = await headersOf('http', (headers, nth) => {
        if (nth === 4) delete headers.cookie
      })
      expect([lost[3]!.authorization, tickets(lost.slice(4))]).toEqual([undefined, lost.length - 4])
    })
  })
}))
