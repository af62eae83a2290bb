import type { Connection } from 'mysql2'
import { CellColumns } from './cells/cell-columns.js'
import { rowsOfPiece } from './cells/cells.js'
import { RowBytes, RowMemory } from './cells/row-bytes.js'
import { indexMysqlRows, mysqlReader, type MysqlReader } from './mysql-cells.js'
import { mysqlColumn, type MysqlField } from './mysql-types.js'
import { PieceQueue } from './piece-queue.js'
import { FIRST_ROWS, PIECE_BYTES, type SqlCursor, type SqlRows } from './sql-session.js'
import type { SqlColumn } from './sql-type.js'
import type { SqlValue } from './sql-values.js'

/** The driver's packet: one object for all of them, and memories that it does not write to again. */
interface Packet {
  readonly buffer: Uint8Array
  /** Where the row begins. */
  readonly offset: number
  readonly end: number
}

/** Makes rows of packets; what `next` gives is emitted as `result`. */
interface RowParser {
  readonly next: (packet: Packet, ...rest: unknown[]) => unknown
}

type ParserOf = (fields: readonly MysqlField[], connection: unknown) => new (...given: unknown[]) => RowParser

/** What we use of the driver's command. */
export interface ExecuteCommand {
  buildParserFromFields?: ParserOf
  on(event: 'fields', listener: (fields: readonly MysqlField[] | undefined) => void): unknown
  on(event: 'result', listener: (row: unknown) => void): unknown
  on(event: 'error', listener: (error: unknown) => void): unknown
  on(event: 'end', listener: () => void): unknown
}

/** What a cursor tells its session. */
interface Watch {
  /** Rejects when the connection breaks. */
  readonly lost: Promise<never>
  /** Called once, when the command runs no more. */
  readonly ended: () => void
}

/**
 * The rows of a prepared statement. Their bytes are taken before the driver makes values of them, and become columns in one go; where the
 * driver is not as we know it, and for types that only it can read, its rows are taken.
 *
 * @param command - runs it, and tells its rows by events
 */
export const mysqlCursor = async (connection: Pick<Connection, 'pause' | 'resume'>, command: ExecuteCommand, batchRows: number, { lost, ended }: Watch): Promise<SqlCursor> => {
  const queue = new PieceQueue({ pause: () => connection.pause(), resume: () => connection.resume() })
  const bytes = takeBytes(command, queue, batchRows)
  const loose = new LooseRows(queue)
  let finished = false
  const finish = (how?: { readonly error: unknown }): void => {
    if (finished) return
    finished = true
    bytes.finish()
    loose.finish()
    queue.end(how)
    ended()
  }
  const described = new Promise<readonly SqlColumn[]>((resolve, reject) => {
    command.on('fields', (fields) => resolve((fields ?? []).map(mysqlColumn)))
    command.on('result', (row) => loose.push(row))
    command.on('error', (error) => {
      reject(error instanceof Error ? error : new Error(String(error)))
      finish({ error })
    })
    command.on('end', () => finish())
  })
  lost.catch((error: unknown) => finish({ error }))
  const columns = await Promise.race([described, lost])
  return { columns, next: () => queue.next() }
}

/** Rows that the driver made. */
class LooseRows {
  private rows: (readonly SqlValue[])[] = []

  constructor(private readonly queue: PieceQueue) {}

  /** Takes a row; what is none, such as the summary of a statement without rows, is left out. */
  push(row: unknown): void {
    if (!Array.isArray(row)) return
    this.rows.push(row as readonly SqlValue[])
    if (this.rows.length === FIRST_ROWS) this.finish()
  }

  finish(): void {
    const rows: SqlRows = this.rows
    this.rows = []
    if (rows.length > 0) this.queue.put(() => rows)
  }
}

/** Puts a parser in the place of the driver's, which takes the bytes of rows. */
const takeBytes = (command: ExecuteCommand, queue: PieceQueue, batchRows: number): { readonly finish: () => void } => {
  const parserOf = command.buildParserFromFields
  let taking: MysqlRowBytes | undefined
  if (typeof parserOf === 'function') {
    command.buildParserFromFields = (fields, connection) => {
      const Parser = parserOf.call(command, fields, connection)
      const readers = fields.map(mysqlReader)
      // A second result, as procedures give, is the driver's.
      if (taking !== undefined || readers.includes(undefined)) return Parser
      const rows = new MysqlRowBytes(queue, readers as readonly MysqlReader[], batchRows)
      taking = rows
      return class implements RowParser {
        private readonly driver = new Parser()
        /** Whether packets are as we know them, which the first one shows. */
        private known: boolean | undefined

        next(packet: Packet, ...rest: unknown[]): unknown {
          this.known ??= isRow(packet)
          return this.known ? rows.take(packet) : this.driver.next(packet, ...rest)
        }
      }
    }
  }
  return { finish: () => taking?.finish() }
}

const isRow = ({ buffer, offset, end }: Packet): boolean => buffer instanceof Uint8Array && buffer[offset] === 0 && end > offset && end <= buffer.length

/** Collects the bytes of rows. */
class MysqlRowBytes {
  private readonly rows = new RowBytes()
  private readonly memory = new RowMemory()
  private readonly most: number

  constructor(
    private readonly queue: PieceQueue,
    private readonly readers: readonly MysqlReader[],
    batchRows: number,
  ) {
    this.most = rowsOfPiece(readers.length, batchRows)
  }

  take({ buffer, offset, end }: Packet): void {
    this.rows.push(buffer, offset, end)
    if (this.rows.rows === this.most || this.rows.size >= PIECE_BYTES) this.finish()
  }

  finish(): void {
    if (this.rows.rows === 0) return
    const taken = this.rows.take()
    this.queue.put(() => new CellColumns(indexMysqlRows(this.memory.together(taken), this.readers), this.readers))
  }
}
