import { once } from 'node:events'
import { Readable, type Writable } from 'node:stream'
import { failure } from '@millrace/core'
import type { Connection, ResultSetHeader } from 'mysql2'
import type { MysqlLoad, MysqlLoaded } from './mysql-session.js'

/**
 * Runs `LOAD DATA LOCAL INFILE` with rows from memory.
 *
 * The server names the file that it wants, and a hostile one may name any: only the name of the statement is answered, once, and
 * nothing is ever read from a disk.
 *
 * @param lost - rejects when the connection breaks
 */
export const loadLocal = async (connection: Connection, { sql, name, source }: MysqlLoad, lost: Promise<never>): Promise<MysqlLoaded> => {
  let stream: Readable | undefined
  const restore = keepListeners(socketOf(connection))
  const infileStreamFactory = (asked: string): Readable => {
    if (asked !== name || stream !== undefined) return refusing(asked)
    return (stream = Readable.from(paced(source(), connection, lost), { highWaterMark: 1 }))
  }
  try {
    const result = await new Promise<ResultSetHeader | { readonly refused: Error }>((resolve, reject) => {
      connection.query<ResultSetHeader>({ sql, infileStreamFactory }, (error, header) => {
        if (error === null) resolve(header)
        else if (stream === undefined && (error as { readonly errno?: unknown }).errno !== undefined) resolve({ refused: error })
        else reject(error)
      })
    })
    if ('refused' in result) return { rows: 0, warnings: 0, warning: undefined, refused: result.refused }
    const { affectedRows, warningStatus } = result
    return { rows: Number(affectedRows), warnings: warningStatus, warning: warningStatus === 0 ? undefined : await firstWarning(connection), refused: undefined }
  } finally {
    stream?.destroy()
    restore()
  }
}

const socketOf = (connection: Connection): Writable => (connection as unknown as { readonly stream: Writable }).stream

/** The driver leaves two listeners on the socket for every load; the result takes off those that have come since. */
const keepListeners = (socket: Writable): (() => void) => {
  const before = ['pause', 'drain'].map((event) => [event, new Set(socket.listeners(event))] as const)
  return () => {
    for (const [event, known] of before) {
      for (const listener of socket.listeners(event)) if (!known.has(listener)) socket.off(event, listener as () => void)
    }
  }
}

const refusing = (asked: string): Readable => {
  const error = failure({
    tag: 'Engine', code: 'SQL_FILE_ASKED', problem: `the server asked for the file ${JSON.stringify(asked.slice(0, 200))}, which it was not offered`,
    remedy: 'A server that asks for files of its clients is not to be trusted: see who runs it, or what stands between.',
  })
  return new Readable({ read() {
    this.destroy(error)
  } })
}

/** The driver takes all that a stream gives, and keeps what the connection has not sent: so the stream waits. */
async function* paced(source: AsyncGenerator<Buffer, void, undefined>, connection: Connection, lost: Promise<never>): AsyncGenerator<Buffer, void, undefined> {
  const socket = socketOf(connection)
  for await (const piece of source) {
    yield piece
    if (!socket.writableNeedDrain) continue
    const waiting = new AbortController()
    await Promise.race([once(socket, 'drain', { signal: waiting.signal }), lost]).finally(() => waiting.abort())
  }
}

/** The text protocol: preparing a statement would forget the warnings of the one before. */
const firstWarning = (connection: Connection): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    connection.query({ sql: 'SHOW WARNINGS LIMIT 1', rowsAsArray: true }, (error, rows) => {
      if (error !== null) return reject(error)
      const [first] = rows as unknown as readonly (readonly unknown[])[]
      resolve(first === undefined ? undefined : String(first[2]))
    })
  })
