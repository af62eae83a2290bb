import type { Schema } from '../schema/index.js'
import { atPosition, type Batch } from './batch.js'
import { countIn, type Position } from './position.js'

/**
 * Counts the rows that a stream gives, as its position, and leaves out those before the position that it is resumed from:
 * whatever batches they came in when it was taken.
 */
export class RowCount {
  private given = 0
  private skip: number

  /** @throws `Usage` for the position of another stream */
  constructor(from: Position | undefined) {
    this.skip = from === undefined ? 0 : countIn(from, 'rows')
  }

  /** The rows of the next batch that come after the position, at a position of their own; `undefined` when none do. */
  rest<S extends Schema>(batch: Batch<S>): Batch<S> | undefined {
    this.given += batch.numRows
    const { skip } = this
    this.skip = Math.max(0, skip - batch.numRows)
    if (skip >= batch.numRows) return undefined
    return atPosition(skip === 0 ? batch : batch.slice(skip, batch.numRows), { rows: this.given })
  }
}
