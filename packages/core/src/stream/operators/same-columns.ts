import { describeValue, failure } from '../../errors/index.js'
import { describeField, requireColumn, type Schema } from '../../schema/index.js'
import { makeBatch, type Batch, type ColumnMap } from '../batch.js'
import { wantedSchema } from '../columns-of.js'
import type { Mode, Stream } from '../stream.js'

/**
 * The streams that an operator was given, one by one or in lists.
 *
 * @throws `Usage` NO_STREAM for what is none
 */
export const streamsIn = <S extends Schema, M extends Mode>(given: readonly (Stream<S, M> | readonly Stream<S, M>[])[], use: string): readonly Stream<S, M>[] =>
  given.flat().map((one: Stream<S, M> | undefined) => {
    if (isStream(one)) return one
    throw failure({ tag: 'Usage', code: 'NO_STREAM', problem: `${use} was given ${describeValue(one)} where a stream is wanted`, remedy: 'Give streams, one by one or in a list.' })
  })

/** Whether a value is a stream, of another copy of this package too. */
export const isStream = (value: unknown): value is Stream => typeof value === 'object' && value !== null && 'open' in value && 'plan' in value && 'mode' in value

/** The schema, if the other streams have its columns too, so that their batches can stand in one stream. @throws `Schema` */
export const requireSameColumns = <S extends Schema>(schema: S, others: readonly Stream[], use: string): S => {
  for (const other of others) {
    for (const [name, expected] of Object.entries(schema)) {
      const found = requireColumn(other.schema, name, use)
      if (found.kind !== expected.kind || (found.nullable && !expected.nullable)) {
        throw failure({
          tag: 'Schema',
          code: 'KIND_MISMATCH',
          problem: `${use} has a column of ${describeField(expected)} in one stream and of ${describeField(found)} in another`,
          remedy: 'Bring both into one schema with withSchema first.',
          position: { column: name },
        })
      }
    }
    // Types let a stream with more columns pass; leaving them out silently would lose data.
    const extra = Object.keys(other.schema).find((name) => !Object.hasOwn(schema, name))
    if (extra !== undefined) {
      throw failure({
        tag: 'Schema',
        code: 'EXTRA_COLUMN',
        problem: `${use} has a stream with the column "${extra}", which the first stream lacks`,
        remedy: 'Select the same columns of each stream first.',
        position: { column: extra },
      })
    }
  }
  return schema
}

/** A batch of one of several streams under the schema of them all, with the columns that are wanted only. */
export const asPart = <S extends Schema>(schema: S, batch: Batch<S>, wanted: readonly string[] | undefined): Batch<S> =>
  makeBatch(wantedSchema(schema, wanted), batch.columns as ColumnMap, batch.numRows)
