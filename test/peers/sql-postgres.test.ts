import { afterAll, beforeAll } from 'vitest'
import pg from 'pg'
import { describeSqlServer, startPostgres, type SqlTestServer } from '../support/sql-servers.js'
import { sqlSuite } from '../support/sql-suite.js'

describeSqlServer('PostgreSQL', 'postgres', () => {
  let server: SqlTestServer
  let client: pg.Client
  beforeAll(async () => {
    server = await startPostgres()
    client = new pg.Client(server.url)
    await client.connect()
  })
  afterAll(async () => {
    await client?.end()
    await server?.stop()
  })
  const admin = async (sql: string): Promise<unknown[][]> => (await client.query({ text: sql, rowMode: 'array' })).rows as unknown[][]

  sqlSuite({
    server: () => server,
    admin,
    connections: async () => Number((await admin("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'millrace'"))[0]![0]),
    kill: () => admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace'"),
    quote: (name) => client.escapeIdentifier(name),
    placeholder: (index) => `$${index}`,
    numbers: (count) => `SELECT id FROM generate_series(1, ${count}) AS id`,
    slow: 'SELECT pg_sleep(60)::text AS nothing',
    timestamp: 'timestamp(6)',
  })
})
