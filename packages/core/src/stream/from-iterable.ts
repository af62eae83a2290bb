import { failure, requireOneOf, requireOptions, throwIfAborted, type OptionRules } from '../errors/index.js'
import { giveTurn } from '../job/give-turn.js'
import type { Schema } from '../schema/index.js'
import { requirePolicy, type OnBadRecord } from '../records/bad-records.js'
import { withQuarantine } from '../records/quarantine.js'
import type { Batch } from './batch.js'
import { outsideError } from './callback.js'
import { requireCount } from './operators/counts.js'
import { RowBatcher, type FurtherKeys } from './row-batcher.js'
import { isSync, requireRows, valuesOf, type RowSource } from './row-source.js'
import { makeStream, type Mode, type OpenContext, type Stream } from './stream.js'

const DEFAULT_BATCH_ROWS = 4096

/** Rows after which it is looked whether a turn of the event loop is due: a look takes as long as half a row. */
const LOOK_ROWS = 64

/** Options of {@link fromIterable}. */
export interface FromIterableOptions {
  /** Rows of a batch. Default 4,096. */
  readonly batchRows?: number | undefined
  /** Says that every iteration gives the same rows in the same order. Only functions may say so. Default false. */
  readonly stableOrder?: boolean | undefined
  /** What becomes of rows that do not fit the schema. Default: the stream ends with their error. */
  readonly onBadRecord?: OnBadRecord | undefined
  /** Whether keys of a row that are no column are left alone, or make the row a bad one where they have a value. Default `ignore`. */
  readonly furtherKeys?: FurtherKeys | undefined
  /** What quarantined rows and errors name as their source. Default `fromIterable`. */
  readonly name?: string | undefined
}

export const fromIterableRules: OptionRules<FromIterableOptions> = { batchRows: 'any', stableOrder: 'boolean', onBadRecord: 'any', furtherKeys: 'any', name: 'text' }

/** Makes the rows of one reading. The signal is that of the reading, for what waits (`fetch`, timers). */
export type MakeRows<S extends Schema> = (context: { readonly signal?: AbortSignal | undefined }) => RowSource<S>

/**
 * A stream over rows that someone else makes: iterables and generators, synchronous or not, Node's `Readable` in object mode, web
 * `ReadableStream`s. Such a source can be read once; a function that makes one each time gives a cold stream.
 *
 * One row is taken at a time, so a source with back-pressure waits for its reader. Leaving early returns the generator, destroys the
 * `Readable`, cancels the `ReadableStream`; so does the signal, at once.
 *
 * @throws `BadRecord` with the row's ordinal and the column for a value that does not fit, unless `onBadRecord` says otherwise; `Usage` for
 *   what is no source of rows, and with the row's ordinal for what the source throws
 * @example
 * fromIterable({ line: field.utf8() }, readline.createInterface({ input }).map((line) => ({ line })))
 */
export function fromIterable<S extends Schema>(schema: S, rows: MakeRows<S>, options?: FromIterableOptions): Stream<S, 'cold'>
export function fromIterable<S extends Schema>(schema: S, rows: RowSource<S>, options?: FromIterableOptions): Stream<S, 'once'>
export function fromIterable<S extends Schema>(schema: S, rows: RowSource<S> | MakeRows<S>, options: FromIterableOptions = {}): Stream<S, Mode> {
  requireOptions('fromIterable', options, fromIterableRules)
  const batchRows = requireCount(options.batchRows ?? DEFAULT_BATCH_ROWS, 1, 'batchRows of fromIterable')
  requirePolicy(options.onBadRecord)
  const furtherKeys = requireOneOf('furtherKeys', options.furtherKeys ?? 'ignore', ['ignore', 'reject'])
  const cold = typeof rows === 'function'
  const name = options.name ?? 'fromIterable'
  if (!cold) requireRows(rows, name)
  return makeStream<S, Mode>({
    schema,
    mode: cold ? 'cold' : 'once',
    plan: { operator: 'source:iterable', options: { batchRows }, inputs: [] },
    stableOrder: cold && options.stableOrder === true,
    positions: 'replay',
    open: (context) =>
      withQuarantine(options.onBadRecord, (onBadRecord) =>
        batches(schema, cold ? () => requireRows(rows({ signal: context.signal }), name) : () => rows, { batchRows, onBadRecord, furtherKeys, name }, context), context),
  })
}

async function* batches<S extends Schema>(
  schema: S,
  open: () => RowSource<S>,
  { batchRows, name, ...policies }: { readonly batchRows: number; readonly onBadRecord: OnBadRecord | undefined; readonly furtherKeys: FurtherKeys; readonly name: string },
  context: OpenContext,
): AsyncGenerator<Batch<S>, void, undefined> {
  const batcher = new RowBatcher(schema, { ...policies, operator: name, name, tally: context.tally, signal: context.signal })
  try {
    const rows = open()
    if (isSync(rows)) {
      // An await for each row would cost more than the row.
      for (const row of rows) {
        if (row instanceof Promise) throw promisedRow(name, batcher.record)
        const waits = batcher.append(row) ?? turnDue(batcher.record, context)
        if (waits !== undefined) await waits
        if (batcher.held === batchRows) yield batcher.finish()
      }
    } else {
      // Rows that come without waiting, as those of a generator that awaits nothing, give no turn either.
      for await (const row of valuesOf(rows, context.signal)) {
        const waits = batcher.append(row) ?? turnDue(batcher.record, context)
        if (waits !== undefined) await waits
        if (batcher.held === batchRows) yield batcher.finish()
      }
    }
  } catch (thrown) {
    throw outsideError(`the source given to ${name}`, thrown, { source: name, record: batcher.record })
  }
  if (batcher.held > 0) yield batcher.finish()
}

const promisedRow = (name: string, record: number): Error =>
  failure({
    tag: 'Usage', code: 'PROMISED_ROW', problem: `the source given to ${name} gives promises of rows, and is none that waits for them`,
    remedy: 'Make it an asynchronous generator (async function*), or await each row before it is given.', position: { source: name, record },
  })

/** A turn of the event loop, where one is due after so many rows. */
const turnDue = (rows: number, { signal }: OpenContext): Promise<void> | undefined =>
  rows % LOOK_ROWS === 0 ? giveTurn()?.then(() => throwIfAborted(signal)) : undefined
