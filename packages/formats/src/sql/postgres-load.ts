import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { failure, loadPeer, type Batch, type Schema } from '@millrace/core'
import { openPostgres } from './postgres-session.js'
import { copyCells } from './sql-cells.js'
import { createTable } from './sql-create.js'
import { postgresDialect } from './sql-dialect.js'
import { openSession, stopWith } from './sql-open.js'
import { quotedTable } from './sql-statement.js'
import { textPieces } from './text-pieces.js'
import type { SqlLoading } from './write-sql.js'

/** Loads a table by `COPY`, in one transaction. @returns whether the table was made */
export const loadPostgres = async ({ server, table, schema, ifExists, batches, announce, signal }: SqlLoading): Promise<boolean> => {
  const { from } = await loadPeer('pg-copy-streams', 'writing to PostgreSQL', () => import('pg-copy-streams'))
  const target = quotedTable(postgresDialect, table)
  const session = await openSession({ name: server.name, password: server.password, open: () => openPostgres(server) }, { signal, progress: undefined })
  const release = stopWith(session, signal)
  const execute = (sql: string) => session.query({ sql, parameters: [] })
  try {
    await execute('BEGIN')
    const [[known]] = (await session.query({ sql: 'SELECT to_regclass($1)', parameters: [target] })) as [[string | null]]
    if (known !== null && ifExists === 'fail') {
      throw failure({ tag: 'AlreadyExists', code: 'SQL_TABLE_EXISTS', problem: `the table ${target} exists already`, remedy: "Pass ifExists: 'append' or 'replace'.", position: { source: server.name } })
    }
    const creates = known === null || ifExists === 'replace'
    // The old table is read by others until the new one is whole.
    const staging = known === null || !creates ? table.table : `millrace_${randomBytes(8).toString('hex')}`
    const loaded = quotedTable(postgresDialect, { ...table, table: staging })
    if (creates) await execute(createTable(postgresDialect, loaded, schema))
    announce('COPY')
    const columns = Object.keys(schema).map(postgresDialect.quote).join(', ')
    await pipeline(Readable.from(copyText(schema, batches)), session.client.query(from(`COPY ${loaded} (${columns}) FROM STDIN (FORMAT text, ENCODING 'UTF8')`)))
    if (staging !== table.table) {
      await execute(`DROP TABLE ${target}`)
      await execute(`ALTER TABLE ${loaded} RENAME TO ${postgresDialect.quote(table.table)}`)
    }
    await execute('COMMIT')
    return creates
  } finally {
    release()
    // What was not committed goes with the connection.
    await session.end()
  }
}

async function* copyText(schema: Schema, batches: AsyncIterable<Batch>): AsyncGenerator<Buffer, void, undefined> {
  for await (const { bytes } of textPieces(schema, batches, copyCells)) yield bytes
}
