import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCertificate } from '../support/certificate.js'
import { buildProgram } from '../support/program.js'
import { WebHdfsFiles } from '../support/web-hdfs.js'

/** Writes a file to the folder of its argument, finds and reads it; says how many rows there are, or why not. */
const program = `
  import { field, fromRows, hdfsStorage, pipe, registerStorage, run } from '@millrace/core'
  import { readCsv, writeCsv } from '@millrace/formats'
  registerStorage(hdfsStorage({ scheme: 'swebhdfs', user: 'etl', partBytes: 1000 }))
  const [, , folder] = process.argv
  try {
    const schema = { id: field.int32() }
    await run(pipe(fromRows(schema, Array.from({ length: 1000 }, (_, id) => ({ id }))), writeCsv(folder + '/out.csv')))
    let rows = 0
    for await (const batch of readCsv(folder + '/*.csv', { schema })) rows += batch.numRows
    console.log(JSON.stringify({ rows }))
  } catch (error) {
    console.log(JSON.stringify({ tag: error._tag, code: error.code, problem: error.problem }))
  }
`

describe('HDFS over TLS, whose certificate is of an authority of its own', () => {
  let scratch: string
  let file: string
  let certificate: string
  let server: Server
  let front: WebHdfsFiles

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'millrace-swebhdfs-'))
    const made = makeCertificate(scratch, ['IP:127.0.0.1'])
    certificate = made.file
    server = createServer({ key: made.key, cert: made.cert }, (request, response) => front.handle(request, response, `https://127.0.0.1:${(server.address() as AddressInfo).port}`))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    file = await buildProgram(program, 'swebhdfs')
  })
  afterAll(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    rmSync(scratch, { recursive: true, force: true })
  })

  const run = async (env: Record<string, string>): Promise<unknown> => {
    front = new WebHdfsFiles()
    const { stdout } = await promisify(execFile)(process.execPath, [file, `swebhdfs://127.0.0.1:${(server.address() as AddressInfo).port}/data`], { env: { PATH: process.env['PATH'], ...env } })
    return JSON.parse(stdout)
  }

  it('is written and read where NODE_EXTRA_CA_CERTS names it, name nodes and data nodes alike', async () => {
    expect(await run({ NODE_EXTRA_CA_CERTS: certificate })).toEqual({ rows: 1000 })
    expect([...front.files.keys()]).toEqual(['/data/out.csv'])
    expect(front.asked.filter((what) => what.startsWith('DATA'))).toEqual(expect.arrayContaining(['DATA PUT', 'DATA POST', 'DATA GET']))
  })

  it('is refused without', async () => {
    expect(await run({})).toEqual({ tag: 'Storage', code: 'HDFS_UNREACHABLE', problem: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT') as string })
    expect(front.asked).toEqual([])
  })
})
