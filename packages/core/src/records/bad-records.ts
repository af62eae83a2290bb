import { describeValue, failure, throwIfAborted, type MillraceError } from '../errors/index.js'
import { giveTurn } from '../job/give-turn.js'
import { outsideError } from '../stream/callback.js'
import type { Tally } from '../stream/tally.js'

/** One record that a reader left out. */
export interface RejectedRecord {
  /** File or other source. */
  readonly source: string
  /** Index of the record in its source, from 0. */
  readonly record: number
  /** Byte offset of the record in the decompressed source, where known; of text in another encoding, in what it is in UTF-8. Of JSON with bad syntax, that of what is wrong in it. */
  readonly byte: number | undefined
  /** Column at fault, where one is. */
  readonly column: string | undefined
  readonly code: string
  /** The error's message. */
  readonly reason: string
  /**
   * The record, where it is known: its bytes as they stood in the source; text of another encoding in UTF-8, as it was read. Of records that
   * are not kept as such (Parquet, Arrow, tables) the row as a JSON object, in which bytes are `\\x` and hexadecimal digits.
   */
  readonly raw: Uint8Array | undefined
  /** In which encoding `raw` was read; `undefined` where it is no text. */
  readonly encoding?: 'utf-8' | undefined
}

/** Where rejected records go. */
export interface Quarantine {
  readonly quarantine: (record: RejectedRecord) => void | Promise<void>
}

/**
 * What a reader does with a record that does not fit its schema, on every reader alike:
 * `fail` (default) ends the stream with the error; `skip` leaves it out and counts it; {@link Quarantine} hands it on too.
 */
export type OnBadRecord = 'fail' | 'skip' | Quarantine

/** For callers whom the compiler does not check. @throws `Usage` BAD_OPTION */
export const requirePolicy = (policy: OnBadRecord | undefined): void => {
  if (policy === undefined || policy === 'fail' || policy === 'skip') return
  if (typeof (policy as unknown) === 'object' && typeof (policy as Partial<Quarantine> | null)?.quarantine === 'function') return
  throw failure({
    tag: 'Usage',
    code: 'BAD_OPTION',
    problem: `onBadRecord is ${describeValue(policy)}`,
    remedy: "Give one of 'fail', 'skip', or quarantine(…) with a file or a function.",
  })
}

/** The reading that a bad record was found in. */
export interface RejectContext {
  readonly tally: Tally
  readonly signal?: AbortSignal | undefined
}

/**
 * Deals with one bad record as the user asked. Where many follow one another, it gives the event loop its turns.
 *
 * @param raw - the record's bytes, or what stands for them
 * @param encoding - in which encoding they were read, where they are text
 * @throws `error` when the policy is `fail`, with a stack that tells who read; `Usage` for what a function given to quarantine throws; `Aborted`
 */
export const rejectRecord = async (policy: OnBadRecord | undefined, context: RejectContext, error: MillraceError, raw: Uint8Array | undefined, encoding?: 'utf-8'): Promise<void> => {
  if (policy === undefined || policy === 'fail') throw error.at({})
  context.tally.reject(error)
  if (policy !== 'skip') await handOn(policy, error, raw, encoding)
  await turnDue(context)
}

/** Counts bad records that are left out, where nobody asks for their errors: to make them would take most of the time. */
export const skipRecords = async (context: RejectContext, code: string, count: number): Promise<void> => {
  context.tally.skip(code, count)
  await turnDue(context)
}

const turnDue = async ({ signal }: RejectContext): Promise<void> => {
  throwIfAborted(signal)
  const turn = giveTurn()
  if (turn === undefined) return
  await turn
  throwIfAborted(signal)
}

const handOn = async ({ quarantine }: Quarantine, error: MillraceError, raw: Uint8Array | undefined, encoding: 'utf-8' | undefined): Promise<void> => {
  const { source, record, byte, column } = error.position
  try {
    await quarantine({
      source: source ?? '', record: record ?? -1, byte, column, code: error.code, reason: error.message, raw,
      encoding: raw === undefined ? undefined : encoding,
    })
  } catch (thrown) {
    throw outsideError('the function given to quarantine', thrown, { source: source ?? '', record })
  }
}
