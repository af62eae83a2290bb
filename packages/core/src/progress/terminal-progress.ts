import { describeEnded, describeRunning, type StageState } from './describe-progress.js'
import type { ProgressEvent, ProgressListener } from './progress.js'

/** Where progress is written: `process.stderr`, or whatever writes text and may be a terminal. */
export interface ProgressOutput {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  /** Width of the terminal in characters. */
  readonly columns?: number | undefined
}

/** Options of {@link terminalProgress}. */
export interface TerminalProgressOptions {
  /** Default `process.stderr`, so that what a program prints on standard output can be piped on. */
  readonly output?: ProgressOutput | undefined
  /** Draw bars. Default: where the output is a terminal that can move its cursor (`TERM` is not `dumb`). */
  readonly bars?: boolean | undefined
  /** Milliseconds since any fixed moment. Default `performance.now`. */
  readonly now?: (() => number) | undefined
}

/** Bars are redrawn at most this often: more is flicker, and time taken from the work. */
const redrawMs = 100

/** Without bars, a stage under way says so this often. */
const reportMs = 10_000

/** Lines of a bar display; what is more would scroll, and a line that has scrolled away cannot be redrawn. */
const mostLines = 16

const barWidth = 24
/** Below this width the figures matter more than the bar. */
const leastColumnsForBar = 72

const isUtf8 = (): boolean =>
  process.platform === 'win32' ||
  /utf-?8/i.test(process.env['LC_ALL'] || process.env['LC_CTYPE'] || process.env['LANG'] || '')

interface Stage {
  event: ProgressEvent
  readonly startedAt: number
  readonly startedFrom: number
  reportedAt: number
}

/**
 * A progress listener for people: pass it to `run`. On a terminal it draws one line for each stage under way, with a bar, the
 * rate and the time left, and leaves one line for each stage that has ended. Elsewhere (a log file, continuous integration)
 * it writes plain lines: one when a stage ends, and one every 10 seconds before that.
 *
 * It holds nothing that must be closed: the cursor is always left on the line below, and no timer keeps the process alive.
 *
 * @example
 * await run(pipe(flights, writeTfRecords('out/flights')), { progress: terminalProgress() })
 */
export const terminalProgress = (options: TerminalProgressOptions = {}): ProgressListener => {
  const output = options.output ?? process.stderr
  const now = options.now ?? (() => performance.now())
  const bars = options.bars ?? (output.isTTY === true && process.env['TERM'] !== 'dumb')
  const stages = new Map<string, Stage>()
  const [full, empty] = isUtf8() ? ['█', '░'] : ['#', '.']

  const stateOf = (stage: Stage): StageState => ({ ...stage, now: now() })

  let drawnLines = 0
  let drawnAt = -Infinity
  let pending: NodeJS.Timeout | undefined

  const draw = (ended = '') => {
    clearTimeout(pending)
    pending = undefined
    drawnAt = now()
    // A terminal that does not know its width says 0.
    const width = (output.columns || 80) < leastColumnsForBar ? 0 : barWidth
    const running = [...stages.values()].slice(0, mostLines).map((stage) => describeRunning(stateOf(stage), { width, full, empty }))
    // Back over the lines drawn before, clear to the end of the screen; without auto-wrap, a long line stays one line.
    const back = drawnLines === 0 ? '' : `\u001b[${drawnLines}A\r\u001b[J`
    const lines = running.map((line) => `${line}\n`).join('')
    drawnLines = running.length
    output.write(`${back}\u001b[?7l${ended}${lines}\u001b[?7h`)
  }

  const drawSoon = () => {
    const wait = redrawMs - (now() - drawnAt)
    if (wait <= 0) draw()
    else pending ??= setTimeout(() => draw(), wait).unref()
  }

  return (event) => {
    const known = stages.get(event.stage)
    // A count that falls back is the same stage begun again.
    const isNew = known === undefined || event.done < known.event.done
    const at = now()
    const stage = isNew ? { event, startedAt: at, startedFrom: event.done, reportedAt: at } : known
    stage.event = event
    if (event.finished === true) {
      stages.delete(event.stage)
      const line = `${describeEnded(stateOf(stage))}\n`
      if (bars) draw(line)
      else output.write(line)
      return
    }
    stages.set(event.stage, stage)
    if (bars) {
      drawSoon()
    } else if (at - stage.reportedAt >= reportMs) {
      stage.reportedAt = at
      output.write(`${describeRunning(stateOf(stage), { width: 0, full, empty })}\n`)
    }
  }
}
