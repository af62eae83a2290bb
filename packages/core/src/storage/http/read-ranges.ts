import { setTimeout as sleep } from 'node:timers/promises'
import { failure, isMillraceError, throwIfAborted } from '../../errors/index.js'
import type { ReadOptions } from '../storage.js'
import { IdleWatch } from './idle-watch.js'
import { TRIES } from './try-request.js'

const DEFAULT_CHUNK_BYTES = 1 << 20
const PAUSE_MS = 100
/** What is fetched and left out, request by request, where a server gives the whole file: beyond it, a copy of the file costs less. */
const MOST_SKIPPED_BYTES = 64 * 2 ** 20

/** A request for bytes of a file. */
export interface RangeRequest {
  readonly start: number
  readonly end: number | undefined
  /** What the first answer said of the file's state: the rest must come from the same. */
  readonly version: string | undefined
  readonly watch: IdleWatch
  readonly signal: AbortSignal | undefined
}

/** A file whose bytes a server gives by ranges. */
export interface RangedFile {
  /** The URL as errors show it. */
  readonly source: string
  /** Asks for bytes; `undefined` where the file ends before the first of them. */
  readonly open: (request: RangeRequest) => Promise<Response | undefined>
  /** What tells one state of the file from another, where the server says. */
  readonly versionOf: (response: Response) => string | undefined
  /** Cuts of the connection, one after another without a byte between them, until the reader gives up. Default 4. */
  readonly tries?: number | undefined
}

/** The header `range` of a request; none for the whole file, which a file without bytes has too. */
export const rangeHeader = (start: number, end: number | undefined): Record<string, string> =>
  start === 0 && end === undefined ? {} : { range: `bytes=${start}-${end === undefined ? '' : end - 1}` }

/** The length of the file as an answer 416 tells it (`content-range: bytes * /12`, without the blank); infinite where it does not. */
export const lengthIn = (response: Response): number => Number(/^bytes \*\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Infinity)

/** Where the bytes of an answer end in the file, as its headers say. */
const dueEnd = (response: Response, at: number): number | undefined => {
  const range = /^bytes \d+-(\d+)\//.exec(response.headers.get('content-range') ?? '')
  if (response.status === 206 && range !== null) return Number(range[1]) + 1
  const length = response.headers.get('content-length')
  return length === null || response.headers.has('content-encoding') ? undefined : at + Number(length)
}

const REMEDY = 'Copy the file to this machine first.'

/**
 * Where the bytes of an answer begin in the file: at the byte that was asked for, or at the first one, from a server that knows no ranges.
 *
 * @throws `Storage` HTTP_CHANGED for bytes of a file that is not the same any more, HTTP_NO_RANGES for other bytes than were asked for, and for more than
 * is worth leaving out
 */
const beginOf = async (file: RangedFile, response: Response, at: number, version: string | undefined): Promise<number> => {
  const begins = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1]
  const isSame = version === undefined || file.versionOf(response) === version
  if (isSame && response.status === 206 && Number(begins) === at) return at
  if (response.status !== 206 && (at === 0 || (isSame && at <= MOST_SKIPPED_BYTES))) return 0
  await response.body?.cancel()
  const position = { source: file.source, byte: at }
  if (!isSame) throw failure({ tag: 'Storage', code: 'HTTP_CHANGED', problem: 'the file changed while it was read', remedy: REMEDY, position })
  throw failure({ tag: 'Storage', code: 'HTTP_NO_RANGES', problem: 'the server does not serve ranges', remedy: REMEDY, position })
}

/** Reads on after a cut connection from the byte where it was cut, as long as the file is still the same. */
export async function* readRanges(file: RangedFile, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const { start = 0, end, chunkBytes = DEFAULT_CHUNK_BYTES, signal } = options
  const { source, tries = TRIES } = file
  if (end !== undefined && end <= start) return
  let at = start
  let version: string | undefined
  for (let cuts = 0; ; ) {
    const watch = new IdleWatch(signal)
    const response = await file.open({ start: at, end, version, watch, signal })
    if (response === undefined) return
    const begin = await beginOf(file, response, at, version)
    version ??= file.versionOf(response)
    const due = dueEnd(response, begin)
    let skip = at - begin
    const reader = response.body?.getReader()
    if (reader === undefined) return
    try {
      for (;;) {
        watch.touch()
        const { done, value } = await reader.read()
        watch.rest()
        if (done && due !== undefined && at - skip < due) throw new Error(`the answer ended at byte ${at - skip}, and was to reach ${due}`)
        if (done) return
        const wanted = value.subarray(Math.min(skip, value.length))
        skip -= value.length - wanted.length
        const chunk = end !== undefined && at + wanted.length > end ? wanted.subarray(0, end - at) : wanted
        if (chunk.length > 0) cuts = 0
        for (let from = 0; from < chunk.length; from += chunkBytes) {
          const piece = chunk.subarray(from, from + chunkBytes)
          at += piece.length
          yield piece
        }
        if (end !== undefined && at >= end) return
      }
    } catch (error) {
      throwIfAborted(signal)
      if (isMillraceError(error)) throw error
      if (++cuts >= tries) {
        throw failure({ tag: 'Storage', code: 'HTTP_CUT', problem: `the connection was cut ${cuts} times at the same byte`, remedy: 'Try again later.', position: { source, byte: at }, cause: error })
      }
      await sleep(PAUSE_MS * (2 ** (cuts - 1) - 0.5), undefined, { signal }).catch(() => undefined)
    } finally {
      watch.rest()
      await reader.cancel().catch(() => undefined)
    }
  }
}
