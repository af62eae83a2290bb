import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { failure, loadPeer, type Schema } from '@millrace/core'
import { openPostgres } from './postgres-session.js'
import { copyCells } from './sql-cells.js'
import { loadSound } from './load-sound.js'
import { createTable } from './sql-create.js'
import { postgresDialect } from './sql-dialect.js'
import { RefusedRow } from './sql-error.js'
import { openSession, stopWith } from './sql-open.js'
import { quotedTable } from './sql-statement.js'
import { textPieces, type Batches } from './text-pieces.js'
import type { SqlLoading } from './write-sql.js'

/** Loads a table by `COPY`, in one transaction. @returns whether the table was made */
export const loadPostgres = async (loading: SqlLoading): Promise<boolean> => {
  const { server, table, schema, ifExists, batches, reject, announce, signal } = loading
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
    const copy = async (rows: Batches): Promise<void> => {
      const into = session.client.query(from(`COPY ${loaded} (${columns}) FROM STDIN (FORMAT text, ENCODING 'UTF8')`))
      await pipeline(Readable.from(copyText(schema, rows)), into).catch((error: unknown) => {
        throw copyRefusal(error, staging)
      })
    }
    if (reject === undefined) await copy(batches)
    else {
      // Those that would be checked at the end name no row then.
      await execute('SET CONSTRAINTS ALL IMMEDIATE')
      await loadSound(loading, reject, { command: execute, load: copy })
    }
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

/** The row that the server names, in its own language, perhaps below the place in a trigger: `COPY name, line 3, column n: "x"`. */
const copyRefusal = (error: unknown, table: string): unknown => {
  const { where } = error as { readonly where?: unknown }
  const prefix = `COPY ${table}, `
  const place = typeof where === 'string' ? where.split('\n').find((line) => line.startsWith(prefix))?.slice(prefix.length) : undefined
  const [, line, column] = /^\S+ (\d+)(?:, \S+ (.+?): )?/.exec(place ?? '') ?? []
  return line === undefined ? error : new RefusedRow(error, Number(line) - 1, column)
}

async function* copyText(schema: Schema, batches: Batches): AsyncGenerator<Buffer, void, undefined> {
  for await (const { bytes } of textPieces(schema, batches, copyCells)) yield bytes
}
