import type { FedBatch, InputPosition, WorkerInput } from './fed-input.js'
import { notBegun, type WorkerProgress } from './control.js'

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
  #uncertain = 0
  #ended = false

  constructor(private readonly input: WorkerInput) {}

  /** Goes back, or forth, to what the parameter servers' values belong to. */
  async resume({ position, seen, repeated, uncertain, ended }: WorkerProgress, first: boolean): Promise<void> {
    this.#fedBefore = first ? 0 : Math.max(this.#fedBefore, this.#position.rows)
    this.#again = []
    this.#under = []
    this.#position = position
    this.#ended = ended
    if (first) [this.#seen, this.#repeated, this.#uncertain] = [seen, repeated, uncertain]
    await this.input.seek(position)
  }

  /** The next batch to feed; `undefined` at the end of the data. */
  async take(steps: number): Promise<FedBatch | undefined> {
    return this.#again.shift() ?? this.input.next(steps)
  }

  /** A run that met the end of the data: it has done what was left. */
  metEnd(batch: FedBatch): void {
    this.#settle(batch)
    this.input.end()
  }

  /** Puts a batch back that was taken and not sent. */
  putBack(batch: FedBatch): void {
    this.#again = [batch, ...this.#again]
  }

  sent(batch: FedBatch): void {
    this.#under.push(batch)
  }

  done(batch: FedBatch): void {
    this.#settle(batch)
    this.#seen += batch.rows
    this.#repeated += Math.max(0, Math.min(batch.rows, this.#fedBefore - batch.before.rows))
  }

  /** A step whose outcome nobody knows; `again` feeds its batch once more. */
  lost(batch: FedBatch, again: 'not sent' | 'at-least-once' | false): void {
    this.#settle(batch)
    if (again === false) {
      this.#uncertain += batch.rows
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
    const open = [...this.#again, ...this.#under].map(({ before }) => before)
    const position = open.reduce((least, one) => (one.rows < least.rows ? one : least), this.#position)
    return { position, seen: this.#seen, repeated: this.#repeated, uncertain: this.#uncertain, ended: this.#ended }
  }

  #settle(batch: FedBatch): void {
    this.#under = this.#under.filter((one) => one !== batch)
    if (batch.after.rows > this.#position.rows) this.#position = batch.after
  }
}
