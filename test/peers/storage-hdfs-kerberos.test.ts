import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { hdfsStorage, type Storage } from '@millrace/core'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { errorOf } from '../support/error-of.js'
import { describeHdfs, kerberosPackage, startHdfs, type HdfsTestCluster } from '../support/hdfs-cluster.js'

// The package is not among the project's dependencies, since it has to be compiled.
vi.mock('../../packages/core/src/errors/missing-peer.js', () => ({
  loadPeer: async (name: string): Promise<unknown> => {
    expect(name).toBe('kerberos')
    return { default: createRequire(import.meta.url)(kerberosPackage) as unknown }
  },
}))

describeHdfs('HDFS with Kerberos', 'kerberos', () => {
  let cluster: HdfsTestCluster
  let root = ''
  let files = 0
  const before = { ...process.env }

  beforeAll(async () => {
    cluster = await startHdfs('kerberos')
    root = `webhdfs://localhost:${cluster.ports[0]}`
    const kdc = join(cluster.folder, 'kdc')
    process.env['KRB5_CONFIG'] = join(kdc, readdirSync(kdc)[0]!, 'krb5.conf')
    process.env['KRB5CCNAME'] = `FILE:${join(cluster.folder, 'tickets')}`
  })
  afterEach(() => {
    delete process.env['HADOOP_TOKEN_FILE_LOCATION']
    delete process.env['KRB5_CLIENT_KTNAME']
  })
  afterAll(async () => {
    process.env = before
    await cluster?.stop()
  })

  const roundTrip = async (storage: Storage): Promise<string> => {
    const url = `${root}/file-${files++}`
    const output = await storage.create!(url, { ifExists: 'fail' })
    await output.write(Buffer.from('over the wire'))
    await output.close()
    await output.commit()
    const chunks: Uint8Array[] = []
    for await (const chunk of storage.read(url)) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toBe('over the wire')
    return url
  }
  const ownerOf = async (url: string, token: string): Promise<string> => {
    const response = await fetch(`${url.replace(/^webhdfs:\/\/([^/]+)/, 'http://$1/webhdfs/v1')}?op=GETFILESTATUS&delegation=${token}`)
    return ((await response.json()) as { FileStatus: { owner: string } }).FileStatus.owner
  }

  test('nothing to show is an error that says what to do', async () => {
    const error = await errorOf(() => roundTrip(hdfsStorage({ scheme: 'webhdfs' })))
    expect(error).toMatchObject({ _tag: 'Storage', code: 'HDFS_KERBEROS', message: expect.stringMatching(/HTTP\/localhost .*kinit.*HADOOP_TOKEN_FILE_LOCATION/) as string })
  })

  test.each(['writable', 'protobuf'])('a token file of Hadoop in its %s form is read, and its token used', async (form) => {
    process.env['HADOOP_TOKEN_FILE_LOCATION'] = await cluster.tell('token', form)
    const url = await roundTrip(hdfsStorage({ scheme: 'webhdfs' }))
    delete process.env['HADOOP_TOKEN_FILE_LOCATION']
    const token = await askForToken()
    expect(await ownerOf(url, token)).toBe('alice')
  })

  /** `GETDELEGATIONTOKEN`, with a ticket. */
  const askForToken = async (): Promise<string> => {
    process.env['KRB5_CLIENT_KTNAME'] = `FILE:${join(cluster.folder, 'alice.keytab')}`
    const kerberos = createRequire(import.meta.url)(kerberosPackage) as { GSS_MECH_OID_SPNEGO: number; initializeClient: (service: string, options: object) => Promise<{ step: (challenge: string) => Promise<string> }> }
    const client = await kerberos.initializeClient('HTTP@localhost', { mechOID: kerberos.GSS_MECH_OID_SPNEGO })
    const headers = { authorization: `Negotiate ${await client.step('')}` }
    const response = await fetch(`${root.replace('webhdfs', 'http')}/webhdfs/v1/?op=GETDELEGATIONTOKEN&renewer=alice`, { headers })
    return ((await response.json()) as { Token: { urlString: string } }).Token.urlString
  }

  test('a token from the server is used, and is in no error', async () => {
    const delegationToken = await askForToken()
    delete process.env['KRB5_CLIENT_KTNAME']
    const storage = hdfsStorage({ scheme: 'webhdfs', delegationToken })
    expect(await ownerOf(await roundTrip(storage), delegationToken)).toBe('alice')
    const error = await errorOf(() => storage.stat(`${root}/nothing`))
    expect(error._tag).toBe('NotFound')
    const wrong = `${delegationToken.slice(0, 60)}AAAA${delegationToken.slice(64)}`
    const refused = await errorOf(() => hdfsStorage({ scheme: 'webhdfs', delegationToken: wrong }).stat(`${root}/nothing`))
    expect(refused).toMatchObject({ _tag: 'Storage', code: 'HDFS_INVALID_TOKEN', message: expect.stringMatching(/Fetch another one/) as string })
    for (const secret of [delegationToken, wrong]) for (const shown of [error, refused]) expect(`${shown.stack} ${JSON.stringify(shown)} ${String(shown.cause)}`).not.toContain(secret.slice(0, 30))
  })

  test('a ticket is enough, whoever the process runs as', async () => {
    process.env['KRB5_CLIENT_KTNAME'] = `FILE:${join(cluster.folder, 'alice.keytab')}`
    process.env['HADOOP_USER_NAME'] = 'somebody'
    const storage = hdfsStorage({ scheme: 'webhdfs' })
    const url = await roundTrip(storage)
    delete process.env['HADOOP_USER_NAME']
    expect((await storage.list!(`${root}/file-*`)).map((file) => file.url)).toContain(url)
    expect(await ownerOf(url, await askForToken())).toBe('alice')
    expect(readFileSync(join(cluster.folder, 'tickets')).length).toBeGreaterThan(0)
  })
})
