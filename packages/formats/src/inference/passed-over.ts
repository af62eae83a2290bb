import { failure } from '@millrace/core'

/** Records that an inference cannot count, with what is wrong with the first of them. */
export class PassedOver {
  private count = 0
  private reason = ''

  /** @param reason - the message of the error that a reader would give */
  add(reason: string): void {
    if (this.count++ === 0) this.reason = reason
  }

  /**
   * What the report says of them.
   *
   * @param rows - sound records that were looked at
   * @throws `Schema` CANNOT_INFER where there are only others
   */
  notes(rows: number): readonly string[] {
    const { count, reason } = this
    if (count === 0) return []
    if (rows === 0) throw failure({ tag: 'Schema', code: 'CANNOT_INFER', problem: `none of ${count} ${count === 1 ? 'record' : 'records'} can be read`, remedy: `The first one: ${reason}` })
    return [`${count} of ${rows + count} records ${count === 1 ? 'is' : 'are'} bad and not counted. The first one: ${reason}`]
  }
}
