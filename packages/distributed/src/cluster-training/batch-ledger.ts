import type { FedBatch, InputPosition, WorkerInput } from './fed-input.js'
import { notBegun, type WorkerProgress } from './control.js'

/** How a worker goes on from what is known of it. */
export interface Resumption {
  /** Whether this process has not driven it yet. */
  readonly first: boolean
  /** Steps of it that are done. */
  readonly count: number
  /** Batches behind its position that are done. */
  readonly skip: number
  /** Batches behind these of which nobody knows, and that are not to be fed again. */
  readonly inDoubt: number
  /** Whether the variables keep their values: of what this process has sent, only that which is behind the position was done. */
  readonly kept?: boolean | undefined
  /** Whether others behind these were fed before. */
  readonly again: boolean
}

const rowsOf = (batches: readonly Pick<FedBatch, 'rows'>[]): number => batches.reduce((sum, { rows }) => sum + rows, 0)

/**
 * Which batches of a worker are done, under way, to be fed again, or of unknown outcome. No batch is forgotten: the position that it
 * tells stands before all that are not settled.
 */
export class BatchLedger {
  #again: FedBatch[] = []
  #under: FedBatch[] = []
  #position: InputPosition = notBegun.position
  /** Rows up to here were fed before the last return to a position. */
  #fedBefore = 0
  #seen = 0
  #repeated = 0
  /** Of another process in this place. */
  #uncertainBefore = 0
  /** Batches of which nobody knows. */
  #uncertain: Pick<FedBatch, 'after' | 'rows'>[] = []
  #ended = false
  #lastDone: FedBatch | undefined
  /** The first run that met the end of the data. */
  #last: FedBatch | undefined
  /** Of the worker's steps, those that are done. */
  #count = 0
  /** Batches that are done while one before them is not. */
  #ahead: FedBatch[] = []

  constructor(private readonly input: WorkerInput) {}

  /** Goes back, or forth, to what the parameter servers' values belong to. */
  async resume({ position, seen, repeated, uncertain, ended }: WorkerProgress, { first, count, skip, inDoubt, again, kept = false }: Resumption): Promise<void> {
    if (first) this.#fedBefore = 0
    else if (again && !kept) this.#fedBefore = Math.max(this.#fedBefore, this.#position.rows)
    const [reached, unsent] = [this.#position.rows, this.#again]
    this.#again = []
    this.#under = []
    this.#ahead = []
    this.#last = undefined
    this.#lastDone = undefined
    this.#position = position
    this.#ended = ended
    this.#count = count
    if (first) [this.#seen, this.#repeated, this.#uncertainBefore, this.#uncertain] = [seen, repeated, uncertain, []]
    await this.input.seek(position)
    const done = await this.#skip(skip)
    // What nobody knew of is fed again, or known now.
    const { rows: back } = this.#position
    const known = this.#uncertain.filter(({ after }) => after.rows > back)
    this.#uncertain = this.#uncertain.filter(({ after }) => after.rows <= back)
    const doubtful = await this.#skip(inDoubt)
    if (first) this.#seen += done
    // What this process has sent before is accounted for, but for what was not done of it.
    else if (kept) {
      const notSeen = [...known, ...unsent.filter(({ before, after }) => before.rows >= back && after.rows <= reached)]
      this.#seen -= Math.max(0, reached - back - rowsOf(notSeen))
    }
    if (doubtful > 0) this.#uncertain.push({ after: this.#position, rows: doubtful })
  }

  /** In a new session: steps of which nobody knew may have been done. */
  recount(count: number): void {
    this.#count = count
  }

  /** Passes over batches that are not to be fed. @returns their rows */
  async #skip(steps: number): Promise<number> {
    let rows = 0
    for (let step = 0; step < steps; step += 1) {
      const batch = await this.input.next(1)
      if (batch === undefined) break
      rows += batch.rows
      this.#position = batch.after
    }
    return rows
  }

  /** The next batch to feed; `undefined` at the end of the data. */
  async take(steps: number): Promise<FedBatch | undefined> {
    return this.#again.shift() ?? this.input.next(steps)
  }

  /** A run that met the end of the data: it has done what was left, which {@link countLast} counts. */
  metEnd(batch: FedBatch): void {
    this.#settle(batch)
    if (this.#last === undefined || batch.before.rows < this.#last.before.rows) this.#last = batch
    this.input.end()
  }

  /**
   * Counts the steps of runs that met the end, when none is under way.
   *
   * @param count - of the worker's steps, those that are done
   * @returns how many they are, and whether there was anything to train on
   */
  countLast(count: number): { readonly steps: number; readonly isEmpty: boolean } {
    if (this.#last === undefined) return { steps: 0, isEmpty: false }
    const { rows, steps, before } = this.#last
    const more = Math.max(0, count - this.#count)
    this.#seen += more * (rows / steps)
    this.#count += more
    this.#last = undefined
    return { steps: more, isEmpty: more === 0 && before.rows === 0 }
  }

  /** Puts a batch back that was taken and not sent. */
  putBack(batch: FedBatch): void {
    this.#again = [batch, ...this.#again]
  }

  sent(batch: FedBatch): void {
    this.#under.push(batch)
  }

  /** Nobody knows whether the last step that is done has come to anything. */
  doubtLast(): void {
    if (this.#lastDone === undefined) return
    this.#seen -= this.#lastDone.rows
    this.#uncertain.push(this.#lastDone)
    this.#lastDone = undefined
  }

  done(batch: FedBatch): void {
    this.#settle(batch)
    this.#lastDone = batch
    this.#count += batch.steps
    const { rows } = this.#open
    this.#ahead = [...this.#ahead, batch].filter(({ before }) => before.rows >= rows)
    this.#seen += batch.rows
    this.#repeated += Math.max(0, Math.min(batch.rows, this.#fedBefore - batch.before.rows))
  }

  /** A step whose outcome nobody knows; `again` feeds its batch once more. */
  lost(batch: FedBatch, again: 'not sent' | 'at-least-once' | false): void {
    this.#settle(batch)
    if (again === false) {
      this.#uncertain.push({ after: batch.after, rows: batch.rows })
      return
    }
    if (again === 'at-least-once') this.#repeated += batch.rows
    this.#again.push(batch)
  }

  end(): void {
    this.#ended = true
  }

  get ended(): boolean {
    return this.#ended
  }

  get progress(): WorkerProgress {
    const position = this.#open
    const counted = this.#ahead.reduce((count, { before, steps }) => (before.rows >= position.rows ? count - steps : count), this.#count)
    return { position, seen: this.#seen, repeated: this.#repeated, uncertain: this.#uncertainBefore + rowsOf(this.#uncertain), ended: this.#ended, counted, driven: true }
  }

  /** Before all that is not settled. */
  get #open(): InputPosition {
    return [...this.#again, ...this.#under].map(({ before }) => before).reduce((least, one) => (one.rows < least.rows ? one : least), this.#position)
  }

  #settle(batch: FedBatch): void {
    this.#under = this.#under.filter((one) => one !== batch)
    if (batch.after.rows > this.#position.rows) this.#position = batch.after
  }
}
