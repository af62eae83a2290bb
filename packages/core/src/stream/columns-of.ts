import type { Column } from '../columns/index.js'
import type { Field, Schema } from '../schema/index.js'
import { concatBatches, makeBatch, type Batch } from './batch.js'
import { ownValue } from './own-value.js'

/** The batch with the columns `names` only, in that order; those it lacks are left out. */
export const pickColumns = (batch: Batch, names: readonly string[]): Batch => {
  const schema: { [name: string]: Field } = {}
  const columns: { [name: string]: Column } = {}
  for (const name of names) {
    const column = ownValue(batch.columns, name) as Column | undefined
    if (column === undefined) continue
    schema[name] = batch.schema[name]!
    columns[name] = column
  }
  return makeBatch(schema, columns, batch.numRows, batch.position)
}

/** The part of a schema that a reading wants, in the schema's order. */
export const wantedSchema = <S extends Schema>(schema: S, wanted: readonly string[] | undefined): S =>
  wanted === undefined ? schema : (Object.fromEntries(Object.entries(schema).filter(([name]) => wanted.includes(name))) as S)

/** `wanted` with `more` names added; `undefined`, which stands for all columns, stays so. */
export const alsoColumns = (wanted: readonly string[] | undefined, more: readonly string[]): readonly string[] | undefined =>
  wanted === undefined ? undefined : [...new Set([...wanted, ...more])]

/** Batches of one reading as one. A reading that wants few columns may have batches narrower than its stream's schema. */
export const joinBatches = <S extends Schema>(schema: S, batches: readonly Batch<S>[]): Batch<S> =>
  concatBatches(batches[0]?.schema ?? schema, batches)
