import { halves, writeInt64, type Field } from '@millrace/core'
import { inUnit } from '../sql-time.js'

const TWO_32 = 4294967296
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Days since 1970-01-01 of a day from the year 1 on; NaN for one that does not exist, as MySQL's zero dates. */
export const daysOf = (year: number, month: number, day: number): number => {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  if (year < 1 || day < 1 || day > (monthDays[month - 1] ?? 0) + (leap && month === 2 ? 1 : 0)) return NaN
  // Years that begin in March have their leap day at the end. https://howardhinnant.github.io/date_algorithms.html#days_from_civil
  const shifted = month <= 2 ? year - 1 : year
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  return shifted * 365 + Math.floor(shifted / 4) - Math.floor(shifted / 100) + Math.floor(shifted / 400) + ofYear - 719_468
}

/** Puts instants into the memory of a column of timestamps. */
export class InstantWriter {
  readonly values: BigInt64Array
  private readonly words: Int32Array
  private readonly unit: NonNullable<Field['params']['unit']>

  constructor(
    private readonly field: Field,
    length: number,
  ) {
    this.values = new BigInt64Array(length)
    this.words = halves(this.values)
    this.unit = field.params.unit ?? 'ms'
  }

  /** Puts microseconds since 1970; false where nanoseconds do not hold them. */
  put(row: number, micros: number | bigint): boolean {
    if (typeof micros === 'bigint') {
      const value = inUnit(micros, this.field)
      this.values[row] = value
      return BigInt.asIntN(64, value) === value
    }
    switch (this.unit) {
      case 's':
        writeInt64(this.words, row, Math.floor(micros / 1_000_000))
        return true
      case 'ms':
        writeInt64(this.words, row, Math.floor(micros / 1000))
        return true
      case 'us':
        writeInt64(this.words, row, micros)
        return true
      case 'ns':
        return this.putThousandfold(row, micros)
    }
  }

  /** The halves are multiplied one by one: the product is no safe integer. */
  private putThousandfold(row: number, micros: number): boolean {
    const high = Math.floor(micros / TWO_32)
    const low = (micros - high * TWO_32) * 1000
    const carry = Math.floor(low / TWO_32)
    const upper = high * 1000 + carry
    this.words[2 * row] = low - carry * TWO_32
    this.words[2 * row + 1] = upper
    return upper === (upper | 0)
  }
}
