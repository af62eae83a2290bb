import { throwIfAborted, type Batch, type MillraceError } from '@millrace/core'
import { sqlError } from './sql-error.js'
import { describeSource } from './sql-statement.js'
import type { SqlLoading } from './write-sql.js'

/** Rows that are loaded between two savepoints: what a refused one costs to find grows with them, what savepoints cost falls. */
const MOST_ROWS = 4096

/** How a server loads rows within the transaction that it is in. */
export interface RowLoader {
  /** Runs a statement without rows. */
  readonly command: (sql: string) => Promise<unknown>
  /** Loads rows; where it fails, some of them may be there. */
  readonly load: (batches: readonly Batch[]) => Promise<void>
}

/**
 * Loads the rows that the table takes, in order, and rejects the others.
 *
 * A piece that the server refuses is taken back to a savepoint and loaded again in parts, at the row that the server names, else in
 * halves, until each refused row stands alone. Of rows that refuse each other (two of one key) the first stays.
 *
 * @throws what is not a row's fault (a lost connection, a deadlock), and ends the loading
 */
export const loadSound = async (loading: SqlLoading, reject: NonNullable<SqlLoading['reject']>, loader: RowLoader): Promise<void> => {
  const trial = new Trial(loading, loader)
  let before = 0
  const loadAll = async (rows: Batch, first: number): Promise<void> => {
    const refused = await trial.load(rows)
    if (refused === undefined) return
    if (rows.numRows === 1) return reject(refused, rows, first)
    for (const [from, to] of parts(rows.numRows, refused.position.record)) await loadAll(rows.slice(from, to), first + from)
  }
  for await (const batch of loading.batches) {
    for (let at = 0; at < batch.numRows; at += MOST_ROWS) await loadAll(batch.slice(at, at + MOST_ROWS), before + at)
    before += batch.numRows
  }
}

/** Loads that can be taken back. */
class Trial {
  /** One that was gone back to stands still. */
  private isMarked = false

  constructor(
    private readonly loading: SqlLoading,
    private readonly loader: RowLoader,
  ) {}

  /** Why rows are refused, after which none of them is there; `undefined` when all are. */
  async load(rows: Batch): Promise<MillraceError | undefined> {
    const { server, table, signal } = this.loading
    const { command, load } = this.loader
    throwIfAborted(signal)
    if (!this.isMarked) await command('SAVEPOINT millrace_rows')
    this.isMarked = true
    try {
      await load([rows])
    } catch (thrown) {
      const error = sqlError(thrown, server, `${describeSource(table)} does not take the row`, true)
      if (error._tag !== 'BadRecord') throw thrown
      await command('ROLLBACK TO SAVEPOINT millrace_rows')
      return error
    }
    await command('RELEASE SAVEPOINT millrace_rows')
    this.isMarked = false
    return undefined
  }
}

/** How `rows` rows are cut, more than one: halves, or what is before `suspect`, it alone, and halves of what is behind it, so that many refused rows are not sent over and over. */
const parts = (rows: number, suspect: number | undefined): readonly (readonly [number, number])[] => {
  const after = suspect === undefined || suspect < 0 || suspect >= rows ? undefined : suspect + 1
  const middle = ((after ?? 0) + rows) >> 1
  const cuts = after === undefined ? [0, middle, rows] : [0, after - 1, after, middle, rows]
  return cuts.slice(1).map((to, i) => [cuts[i]!, to] as const).filter(([from, to]) => from < to)
}
