import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, fromRows, pipe, run } from '@millrace/core'
import { readHive, writeHive } from '@millrace/formats'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { errorOf } from '../support/error-of.js'
import { kerberosPackage } from '../support/hdfs-cluster.js'
import { describeHiveApache, startHiveApache, type HiveApache } from '../support/hive-apache.js'
import { startKdc, type TestKdc } from '../support/kdc.js'
import { describeUnless } from '../support/peer.js'
import { readOut } from '../support/sql-suite.js'

// The package is not among the project's dependencies, since it has to be compiled.
vi.mock('../../packages/core/src/errors/missing-peer.js', () => ({
  loadPeer: async (name: string): Promise<unknown> => {
    expect(name).toBe('kerberos')
    return { default: createRequire(import.meta.url)(kerberosPackage) as unknown }
  },
}))

describeUnless(existsSync(kerberosPackage) ? undefined : 'no package kerberos: run npm run peers:setup', 'Kerberos', () => describeHiveApache('Apache Hive with Kerberos', () => {
  let kdc: TestKdc
  const before = { ...process.env }

  beforeAll(async () => {
    kdc = await startKdc(['hive/localhost', 'HTTP/localhost', 'alice'])
    process.env['KRB5_CONFIG'] = kdc.configuration
    process.env['KRB5CCNAME'] = `FILE:${join(kdc.folder, 'tickets')}`
  })
  afterAll(async () => {
    process.env = before
    await kdc?.stop()
  })

  /** The client's keytab begins with the server's keys: tickets are for the one who is named first in it. */
  const asClient = (): void => void (process.env['KRB5_CLIENT_KTNAME'] = `FILE:${kdc.keytab}`)

  describe.each(['auth', 'auth-conf'])('and the quality of protection %s', (qop) => {
    let server: HiveApache
    const url = (): string => `hive://localhost:${server.port}/default?auth=kerberos&principal=hive/_HOST@${kdc.realm}`

    beforeAll(async () => {
      server = await startHiveApache({
        configuration: kdc.configuration,
        hive: {
          'hive.server2.authentication': 'KERBEROS', 'hive.server2.authentication.kerberos.principal': `hive/localhost@${kdc.realm}`, 'hive.server2.authentication.kerberos.keytab': kdc.keytab,
          'hive.server2.thrift.sasl.qop': qop,
          // Its readers of tables ask for the renewer of tokens, also where there is none.
          'yarn.resourcemanager.principal': `hive/localhost@${kdc.realm}`,
        },
      })
    }, 300_000)
    afterAll(() => server?.stop())

    test('without a ticket says what to do; with one a table is written and read', async () => {
      delete process.env['KRB5_CLIENT_KTNAME']
      rmSync(join(kdc.folder, 'tickets'), { force: true })
      expect((await readOut(readHive(url(), 'SELECT 1 AS one'))).error).toMatchObject({ _tag: 'Storage', code: 'KERBEROS_TICKET', message: expect.stringMatching(/hive\/localhost .*kinit/) as string })
      asClient()
      if (qop !== 'auth') {
        expect((await readOut(readHive(url(), 'SELECT 1 AS one'))).error).toMatchObject({ _tag: 'Usage', code: 'HIVE_QOP' })
        return
      }
      expect(await readOut(readHive(url(), 'SELECT 1 AS one'))).toMatchObject({ error: undefined, rows: [{ one: 1 }] })
      const staging = mkdtempSync(join(realpathSync(tmpdir()), 'millrace-kerberos-'))
      try {
        const schema = { id: field.int64(), t: field.utf8() }
        const rows = Array.from({ length: 5000 }, (_, id) => ({ id: BigInt(id), t: `row ${id}`.repeat(20) }))
        expect(await run(pipe(fromRows(schema, rows), writeHive(url(), 'wide', { staging })))).toMatchObject({ rows: 5000, created: true })
        const out = await readOut(readHive(url(), { table: 'wide' }, { schema }))
        expect(out.error).toBeUndefined()
        expect([...out.rows].sort((a, b) => Number(a['id']) - Number(b['id']))).toEqual(rows)
        expect(readdirSync(staging)).toEqual([])
      } finally {
        rmSync(staging, { recursive: true })
      }
    })

    test('who does not show a ticket, or asks for another service, is refused', async () => {
      asClient()
      for (const connection of [`hive://reader:secret@localhost:${server.port}/default`, `hive://localhost:${server.port}/default?auth=kerberos&principal=HTTP/_HOST@${kdc.realm}`, `hive://localhost:${server.port}/default?auth=kerberos&principal=nobody/_HOST`]) {
        expect((await errorOf(async () => Promise.reject((await readOut(readHive(connection, 'SELECT 1'))).error as Error)))._tag, connection).toBe('Storage')
      }
    })
  })
}))
