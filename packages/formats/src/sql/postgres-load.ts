import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { failure, fromUnknown, loadPeer, type Batch, type Column, type Schema } from '@millrace/core'
import { openPostgres } from './postgres-session.js'
import { copyCells } from './sql-cells.js'
import { createTable } from './sql-create.js'
import { postgresDialect } from './sql-dialect.js'
import { stopWith } from './sql-open.js'
import { quotedTable } from './sql-statement.js'
import type { SqlLoading } from './write-sql.js'

/** Text is handed to the connection in pieces of about this many characters. */
const PIECE = 1 << 18

/** Loads a table by `COPY`, in one transaction. @returns whether the table was made */
export const loadPostgres = async ({ server, table, schema, ifExists, batches, signal }: SqlLoading): Promise<boolean> => {
  const { from } = await loadPeer('pg-copy-streams', 'writing to PostgreSQL', () => import('pg-copy-streams'))
  const target = quotedTable(postgresDialect, table)
  const session = await openPostgres(server)
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
  const names = Object.keys(schema)
  let text = ''
  let before = 0
  for await (const batch of batches) {
    const cells = names.map((name) => copyCells((batch.columns as { readonly [name: string]: Column })[name]!))
    for (let row = 0; row < batch.numRows; row++) {
      for (let i = 0; i < cells.length; i++) {
        try {
          text += (i === 0 ? '' : '\t') + cells[i]!(row)
        } catch (error) {
          throw fromUnknown(error, { record: before + row, column: names[i] })
        }
      }
      text += '\n'
      if (text.length < PIECE) continue
      yield Buffer.from(text)
      text = ''
    }
    before += batch.numRows
  }
  if (text !== '') yield Buffer.from(text)
}
