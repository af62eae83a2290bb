import mysql from 'mysql2/promise'
import { afterAll, beforeAll } from 'vitest'
import { describeSqlServer, startMariadb, type SqlTestServer } from '../support/sql-servers.js'
import { sqlSuite } from '../support/sql-suite.js'

describeSqlServer('MariaDB', 'mariadb', () => {
  let server: SqlTestServer
  let client: mysql.Connection
  beforeAll(async () => {
    server = await startMariadb()
    client = await mysql.createConnection(server.url)
  })
  afterAll(async () => {
    await client?.end()
    await server?.stop()
  })
  const admin = async (sql: string): Promise<unknown[][]> => (await client.query({ sql, rowsAsArray: true }))[0] as unknown[][]
  const others = 'FROM information_schema.processlist WHERE user = \'millrace\' AND id <> CONNECTION_ID()'

  sqlSuite({
    server: () => server,
    admin,
    connections: async () => Number((await admin(`SELECT count(*) ${others}`))[0]![0]),
    kill: async () => {
      for (const [id] of await admin(`SELECT id ${others}`)) await admin(`KILL ${Number(id)}`)
    },
    quote: (name) => mysql.escapeId(name, true),
    placeholder: () => '?',
    numbers: (count) => `SELECT seq AS id FROM seq_1_to_${count}`,
    slow: 'SELECT SLEEP(60) AS nothing',
    timestamp: 'datetime(6)',
  })
})
