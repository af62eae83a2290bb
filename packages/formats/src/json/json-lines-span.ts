import { readBytes, throwIfAborted } from '@millrace/core'
import { guessCompression } from '../compression/index.js'
import { byteSpans, bytesPast } from '../reading/byte-spans.js'
import type { FileSpan, FileSpans, FileTask } from '../reading/read-files.js'
import type { ResolvedJsonOptions } from './json-options.js'

const NEWLINE = 10
/** Enough for a byte order mark, for gzip's magic, and to see `[` or `{`. */
const HEAD_BYTES = 64

/** The parts of a file of JSON lines; of an array, a packed file, and one of another encoding than UTF-8, there are none. */
export const lineSpans = async (task: FileTask, splitBytes: number, { format, encoding }: ResolvedJsonOptions): Promise<FileSpans | undefined> => {
  const { url } = task.file
  if (format === 'array' || encoding !== undefined || /\.(gz|gzip|br|zst)$/i.test(url.replace(/[?#].*$/, ''))) return undefined
  const head: number[] = []
  for await (const chunk of readBytes(url, { end: HEAD_BYTES, signal: task.context.signal })) head.push(...chunk)
  const bytes = Uint8Array.from(head)
  const first = Buffer.from(bytes).toString('latin1').trimStart()
  return guessCompression(bytes) === 'none' && first.startsWith('{') ? byteSpans(task, splitBytes) : undefined
}

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

  /** Their bytes. The first chunk comes once `start` is known. */
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    const { file, context, onRead } = this.task
    const { start, end } = this.span
    // A line that begins where the part does is told by the line end before it.
    let at = this.start ?? start - 1
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
      const last = lineEndAfter(chunk, Math.max(from, end - 1 - at))
      this.end = at + (last ?? chunk.length)
      yield chunk.subarray(from, last)
      if (last !== undefined) return
      at += chunk.length
    }
  }
}

/** Offset after the first line end at `from` or later. */
const lineEndAfter = (chunk: Uint8Array, from: number): number | undefined => {
  const at = from >= chunk.length ? -1 : chunk.indexOf(NEWLINE, from)
  return at < 0 ? undefined : at + 1
}
