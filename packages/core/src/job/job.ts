import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { describeValue, failure, fromUnknown, type MillraceError } from '../errors/index.js'
import type { ProgressListener } from '../progress/index.js'
import { outsideError } from '../stream/callback.js'
import type { Tally } from '../stream/tally.js'

/** What a running job is given from outside. */
export interface RunContext {
  /** Stops the work: it ends with an `Aborted` error and leaves nothing half-written. */
  readonly signal?: AbortSignal | undefined
  /** Told how far the work is. */
  readonly progress?: ProgressListener | undefined
  /** Counts the records that the job's sources read and rejected, also of jobs whose result does not say (`collect`, `fit`). */
  readonly tally?: Tally | undefined
}

/**
 * Work that has not started: an fp-ts `TaskEither` that also takes a {@link RunContext}. Start it with {@link run}, or
 * compose it with fp-ts (`TE.chain`, …).
 */
export interface Job<A> {
  (context?: RunContext): Promise<Either<MillraceError, A>>
}

/** A job from an asynchronous function; what it throws becomes the job's error. */
export const job = <A>(work: (context: RunContext) => Promise<A>): Job<A> => async (context = {}) => {
  try {
    return E.right(await work(hearing(context)))
  } catch (thrown) {
    return E.left(fromUnknown(thrown))
  }
}

/** The context with a listener whose errors are told from ours. */
const hearing = (context: RunContext): RunContext => {
  const { progress } = context
  if (progress === undefined) return context
  return {
    ...context,
    progress: (event) => {
      try {
        progress(event)
      } catch (thrown) {
        throw outsideError('the listener given as progress', thrown)
      }
    },
  }
}

/**
 * Runs a job, or any `TaskEither`, as a promise.
 *
 * @throws the job's {@link MillraceError}; `Usage` for what is no job
 * @example
 * const report = await run(pipe(flights, writeTfRecords('out/flights')), { signal, progress: terminalProgress() })
 */
export const run = async <E1, A>(work: Job<A> | TaskEither<E1, A>, context: RunContext = {}): Promise<A> => {
  if (typeof (work as unknown) !== 'function') {
    throw failure({
      tag: 'Usage', code: 'NOT_A_JOB', problem: `run takes a job, and was given ${describeValue(work)}`,
      remedy: 'A stream is read with collect(), forEach() or a writer: run(pipe(stream, collect())).',
    })
  }
  const result = await (work as (context: RunContext) => Promise<Either<E1, A>>)(context)
  // A foreign TaskEither may hold an error of any kind.
  // eslint-disable-next-line @typescript-eslint/only-throw-error
  if (E.isLeft(result)) throw result.left
  return result.right
}
