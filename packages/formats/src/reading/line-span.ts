import { throwIfAborted } from '@millrace/core'
import { bytesPast } from './byte-spans.js'
import type { FileSpan, FileTask } from './read-files.js'

const NEWLINE = 10

/** The lines that begin in a part of a file: their bytes, and where they begin and end. */
export class LinesOfSpan {
  /** Offset of the first byte; `undefined` where no line begins in the part. */
  start: number | undefined
  /** Offset of the line that comes next. */
  end = 0

  constructor(
    private readonly task: FileTask,
    private readonly span: FileSpan,
    /** Where the first line begins, if that is known. */
    from: number | undefined,
  ) {
    this.start = from ?? (span.start === 0 ? 0 : undefined)
  }

  /**
   * Their bytes. The first chunk comes once `start` is known.
   *
   * @param isWhole - whether a record ends where the line that reaches out of the part ends, which is asked after that was taken. Where none
   * does, more lines come, twice as many bytes each time
   */
  async *chunks(isWhole: () => boolean = () => true): AsyncGenerator<Uint8Array, void, undefined> {
    const { file, context, onRead } = this.task
    const { start, end } = this.span
    // A line that begins where the part does is told by the line end before it.
    let at = this.start ?? start - 1
    let least = end - 1
    let step = 1
    for await (const chunk of bytesPast(file, at, end, { reuse: true, signal: context.signal, onRead })) {
      throwIfAborted(context.signal)
      let from = 0
      if (this.start === undefined) {
        const newline = chunk.indexOf(NEWLINE)
        if (newline < 0 && at + chunk.length < end) {
          at += chunk.length
          continue
        }
        from = newline + 1
        if (newline < 0 || at + from >= end) return
        this.start = at + from
      }
      while (from < chunk.length) {
        const to = lineEndAfter(chunk, Math.max(from, least - at))
        this.end = at + (to ?? chunk.length)
        yield chunk.subarray(from, to)
        if (to === undefined) break
        if (isWhole()) return
        from = to
        least = this.end + step
        step *= 2
      }
      at += chunk.length
    }
  }
}

/** Offset after the first line end at `from` or later. */
const lineEndAfter = (chunk: Uint8Array, from: number): number | undefined => {
  const at = from >= chunk.length ? -1 : chunk.indexOf(NEWLINE, from)
  return at < 0 ? undefined : at + 1
}
