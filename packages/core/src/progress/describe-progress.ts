import type { ProgressEvent } from './progress.js'

/** One stage as the terminal knows it: its latest event, and when and at which count it began. */
export interface StageState {
  readonly event: ProgressEvent
  readonly startedAt: number
  readonly startedFrom: number
  readonly now: number
}

/** A rate over less than this says more about the start-up than about the work. */
const leastRateMs = 500

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const oneDigit = new Intl.NumberFormat('en-US', { minimumFractionDigits: 1, maximumFractionDigits: 1 })

const byteUnits = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const

const describeBytes = (count: number): string => {
  let scaled = count
  let unit = 0
  while (scaled >= 1000 && unit < byteUnits.length - 1) {
    scaled /= 1000
    unit += 1
  }
  return `${unit === 0 ? whole.format(scaled) : oneDigit.format(scaled)} ${byteUnits[unit] ?? 'bytes'}`
}

const describeCount = (count: number, unit: ProgressEvent['unit']): string =>
  unit === 'bytes'
    ? describeBytes(count)
    : `${count < 10 && !Number.isInteger(count) ? oneDigit.format(count) : whole.format(count)} ${count === 1 ? unit.slice(0, -1) : unit}`

/** `0:07`, `12:30`, `3:05:00`. */
const describeRemaining = (ms: number): string => {
  const total = Math.ceil(ms / 1000)
  const minutes = Math.floor(total / 60)
  const two = (value: number) => String(value).padStart(2, '0')
  if (minutes < 60) return `${minutes}:${two(total % 60)}`
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(total % 60)}`
}

const describeElapsed = (ms: number): string => (ms < 60_000 ? `${oneDigit.format(ms / 1000)} s` : describeRemaining(ms))

/** Units each second since the stage began; undefined while that is too soon to tell. */
const rateOf = ({ event, startedAt, startedFrom, now }: StageState): number | undefined => {
  const elapsed = now - startedAt
  if (elapsed < leastRateMs || event.done <= startedFrom) return undefined
  return ((event.done - startedFrom) * 1000) / elapsed
}

/** File names and labels come from anywhere: an escape sequence in one must not reach the terminal. */
const printable = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?')

const joined = (parts: readonly (string | undefined)[]): string =>
  parts.filter((part): part is string => part !== undefined && part !== '').join('  ')

/** The share done from 0 to 1, or undefined where the whole is not known. */
const shareOf = ({ done, total }: ProgressEvent): number | undefined =>
  total === undefined || total <= 0 ? undefined : Math.min(1, Math.max(0, done / total))

/** The line of a stage that is under way: `reading a.csv  [####....]  50%  10 / 20 rows  5 rows/s  0:02 left`. */
export const describeRunning = (state: StageState, bar: { readonly width: number; readonly full: string; readonly empty: string }): string => {
  const { event } = state
  const share = shareOf(event)
  const rate = rateOf(state)
  const drawn = share === undefined ? 0 : Math.round(share * bar.width)
  return joined([
    printable(event.stage),
    share === undefined || bar.width === 0 ? undefined : `[${bar.full.repeat(drawn)}${bar.empty.repeat(bar.width - drawn)}]`,
    share === undefined ? undefined : `${Math.floor(share * 100)}%`,
    event.total === undefined ? describeCount(event.done, event.unit) : ofTotal(event.done, event.total, event.unit),
    rate === undefined ? undefined : `${describeCount(rate, event.unit)}/s`,
    rate === undefined || event.total === undefined || event.total <= event.done
      ? undefined
      : `${describeRemaining(((event.total - event.done) * 1000) / rate)} left`,
    event.note === undefined ? undefined : printable(event.note),
  ])
}

const ofTotal = (done: number, total: number, unit: ProgressEvent['unit']): string =>
  unit === 'bytes' ? `${describeBytes(done)} of ${describeBytes(total)}` : `${whole.format(done)} of ${describeCount(total, unit)}`

/** The line of a stage that has ended: `reading a.csv  20 rows in 4.0 s (5 rows/s)`. */
export const describeEnded = (state: StageState): string => {
  const { event, startedAt, now } = state
  const rate = rateOf(state)
  const speed = rate === undefined ? '' : ` (${describeCount(rate, event.unit)}/s)`
  return joined([
    printable(event.stage),
    `${describeCount(event.done, event.unit)} in ${describeElapsed(now - startedAt)}${speed}`,
    event.note === undefined ? undefined : printable(event.note),
  ])
}
