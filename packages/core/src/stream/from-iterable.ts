import { makeBuilder, type Column } from '../columns/index.js'
import { throwIfAborted } from '../errors/index.js'
import type { Row, Schema } from '../schema/index.js'
import { makeBatch, type Batch } from './batch.js'
import { callbackError } from './callback.js'
import { requireCount } from './operators/counts.js'
import { ownValue } from './own-value.js'
import { makeStream, type Mode, type OpenContext, type Stream } from './stream.js'

const DEFAULT_BATCH_ROWS = 4096

/** Options of {@link fromIterable}. */
export interface FromIterableOptions {
  /** Rows of a batch. Default 4,096. */
  readonly batchRows?: number | undefined
  /** Says that every iteration gives the same rows in the same order. Only functions may say so. Default false. */
  readonly stableOrder?: boolean | undefined
}

/** Rows that come one after another. */
export type RowSource<S extends Schema> = Iterable<Row<S>> | AsyncIterable<Row<S>>

/**
 * A stream over rows that someone else makes. An iterable can be read once; a function that makes one each time gives a
 * cold stream.
 *
 * @throws `BadRecord` with the row's ordinal and the column for a value that does not fit
 * @example
 * fromIterable({ line: field.utf8() }, readline.createInterface({ input }).map((line) => ({ line })))
 */
export function fromIterable<S extends Schema>(schema: S, rows: () => RowSource<S>, options?: FromIterableOptions): Stream<S, 'cold'>
export function fromIterable<S extends Schema>(schema: S, rows: RowSource<S>, options?: FromIterableOptions): Stream<S, 'once'>
export function fromIterable<S extends Schema>(schema: S, rows: RowSource<S> | (() => RowSource<S>), options: FromIterableOptions = {}): Stream<S, Mode> {
  const batchRows = requireCount(options.batchRows ?? DEFAULT_BATCH_ROWS, 1, 'batchRows of fromIterable')
  const cold = typeof rows === 'function'
  return makeStream<S, Mode>({
    schema,
    mode: cold ? 'cold' : 'once',
    plan: { operator: 'source:iterable', options: { batchRows }, inputs: [] },
    stableOrder: cold && options.stableOrder === true,
    positions: 'replay',
    open: (context) => batches(schema, cold ? rows() : rows, batchRows, context),
  })
}

async function* batches<S extends Schema>(schema: S, rows: RowSource<S>, batchRows: number, context: OpenContext): AsyncGenerator<Batch<S>, void, undefined> {
  const names = Object.keys(schema)
  let builders = names.map((name) => makeBuilder(schema[name]!))
  let held = 0
  let record = 0
  const finish = (): Batch<S> => {
    const columns: { [name: string]: Column } = {}
    names.forEach((name, i) => (columns[name] = builders[i]!.finish()))
    const batch = makeBatch(schema, columns, held)
    context.tally.deliver(held)
    builders = names.map((name) => makeBuilder(schema[name]!))
    held = 0
    return batch
  }
  const append = (row: { readonly [name: string]: unknown }): void => {
    let column: string | undefined
    try {
      for (let i = 0; i < names.length; i++) {
        column = names[i]!
        builders[i]!.append(ownValue(row, column))
      }
    } catch (thrown) {
      throw callbackError('fromIterable', record, thrown, column)
    }
    held++
    record++
  }
  if (Symbol.iterator in rows) {
    // An await for each row would cost more than the row.
    for (const row of rows as Iterable<{ readonly [name: string]: unknown }>) {
      append(row)
      if (held === batchRows) yield finish()
    }
  } else {
    for await (const row of rows as AsyncIterable<{ readonly [name: string]: unknown }>) {
      throwIfAborted(context.signal)
      append(row)
      if (held === batchRows) yield finish()
    }
  }
  if (held > 0) yield finish()
}
