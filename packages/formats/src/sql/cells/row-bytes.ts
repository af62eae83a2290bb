/** Rows as a server sent them, one after another in a memory. */
export interface RawRows {
  readonly bytes: Uint8Array
  /** Where each row begins and ends. */
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/** Rows that lie in one memory of the driver, with what stands between them. */
interface Run {
  readonly source: Uint8Array
  readonly start: number
  end: number
}

/** Rows that are still in the driver's memories. */
export interface TakenRows extends Omit<RawRows, 'bytes'> {
  readonly runs: readonly Run[]
  readonly size: number
}

/** A memory for larger rows is not kept. */
const MOST_KEPT_BYTES = 16 * 1024 * 1024

/** Puts rows together in a memory that it uses again: they hold until the next ones. */
export class RowMemory {
  private memory = new Uint8Array(0)

  together({ runs, size, starts, ends }: TakenRows): RawRows {
    const only = runs[0]
    if (only !== undefined && runs.length === 1) return { bytes: only.source.subarray(only.start, only.end), starts, ends }
    const bytes = this.take(size)
    let at = 0
    for (const run of runs) {
      bytes.set(run.source.subarray(run.start, run.end), at)
      at += run.end - run.start
    }
    return { bytes, starts, ends }
  }

  private take(size: number): Uint8Array {
    if (size > MOST_KEPT_BYTES) return new Uint8Array(size)
    if (size > this.memory.length) this.memory = new Uint8Array(Math.min(MOST_KEPT_BYTES, Math.max(size, this.memory.length * 2)))
    return this.memory.subarray(0, size)
  }
}

/** Collects rows out of the memories that a driver receives; they must not change until the rows are taken. */
export class RowBytes {
  rows = 0
  private runs: Run[] = []
  private run: Run = { source: new Uint8Array(0), start: 0, end: 0 }
  /** Where the bytes of the last run go when all are put together. */
  private base = 0
  private starts = new Int32Array(1024)
  private ends = new Int32Array(1024)

  /** Bytes that are held. */
  get size(): number {
    return this.base + this.run.end - this.run.start
  }

  /** Adds the row `source[start..end]`. */
  push(source: Uint8Array, start: number, end: number): void {
    if (source !== this.run.source || start < this.run.end) this.beginRun(source, start)
    this.run.end = end
    if (this.rows === this.starts.length) this.grow()
    const shift = this.base - this.run.start
    this.starts[this.rows] = start + shift
    this.ends[this.rows++] = end + shift
  }

  /** The rows so far; it starts again, empty. */
  take(): TakenRows {
    const taken = { runs: this.runs, size: this.size, starts: this.starts.slice(0, this.rows), ends: this.ends.slice(0, this.rows) }
    this.rows = 0
    this.runs = []
    this.run = { source: new Uint8Array(0), start: 0, end: 0 }
    this.base = 0
    return taken
  }

  private beginRun(source: Uint8Array, start: number): void {
    this.base = this.size
    this.run = { source, start, end: start }
    this.runs.push(this.run)
  }

  private grow(): void {
    const [starts, ends] = [new Int32Array(this.rows * 2), new Int32Array(this.rows * 2)]
    starts.set(this.starts)
    ends.set(this.ends)
    this.starts = starts
    this.ends = ends
  }
}
