import type { MillraceError } from '../errors/index.js'

/** What became of the records of a source. `read = delivered + rejected` at the end of every source. */
export interface TallySummary {
  /** Records read from sources. */
  readonly read: number
  /** Records that became rows. */
  readonly delivered: number
  /** Records that did not, by error code. */
  readonly rejected: number
  readonly rejectedByCode: { readonly [code: string]: number }
}

/** Counts records while a stream runs. One tally is shared by all the sources below one job. */
export class Tally {
  private readCount = 0
  private rejectedCount = 0
  private readonly byCode = new Map<string, number>()

  /** Notes records that became rows. */
  deliver(records: number): void {
    this.readCount += records
  }

  /** Notes one record that was left out. */
  reject(error: MillraceError): void {
    this.readCount++
    this.rejectedCount++
    this.byCode.set(error.code, (this.byCode.get(error.code) ?? 0) + 1)
  }

  /** Adds what another tally counted. */
  add(counts: TallySummary): void {
    this.readCount += counts.read
    this.rejectedCount += counts.rejected
    for (const [code, count] of Object.entries(counts.rejectedByCode)) this.byCode.set(code, (this.byCode.get(code) ?? 0) + count)
  }

  summary(): TallySummary {
    return {
      read: this.readCount,
      delivered: this.readCount - this.rejectedCount,
      rejected: this.rejectedCount,
      rejectedByCode: Object.fromEntries(this.byCode),
    }
  }
}
