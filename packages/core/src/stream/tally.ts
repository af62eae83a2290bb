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

  /** @param parent - a tally that counts along, for instance that of the caller of a job */
  constructor(private readonly parent?: Tally | undefined) {}

  /** Notes records that became rows. */
  deliver(records: number): void {
    this.readCount += records
    this.parent?.deliver(records)
  }

  /** Notes one record that was left out. */
  reject({ code }: MillraceError): void {
    this.skip(code, 1)
  }

  /** Notes records that were left out for one reason. */
  skip(code: string, records: number): void {
    this.readCount += records
    this.rejectedCount += records
    this.byCode.set(code, (this.byCode.get(code) ?? 0) + records)
    this.parent?.skip(code, records)
  }

  /** Adds what another tally counted. */
  add(counts: TallySummary): void {
    this.readCount += counts.read
    this.rejectedCount += counts.rejected
    for (const [code, count] of Object.entries(counts.rejectedByCode)) this.byCode.set(code, (this.byCode.get(code) ?? 0) + count)
    this.parent?.add(counts)
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
