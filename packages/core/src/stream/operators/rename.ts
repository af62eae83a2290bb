import type { Column } from '../../columns/index.js'
import { failure } from '../../errors/index.js'
import { requireColumn, type Field, type Schema } from '../../schema/index.js'
import { requireNames } from '../own-value.js'
import { makeBatch, type Batch, type ColumnMap } from '../batch.js'
import { derivedSchema } from '../schema-later.js'
import type { Mode, Stream } from '../stream.js'
import { transformBatches } from '../transform.js'

/** The columns of `S` under the names that `R` gives them. */
export type Renamed<S extends Schema, R> = {
  readonly [K in keyof S as K extends keyof R ? (R[K] extends string ? R[K] : K) : K]: S[K]
} & {}

// `New` keeps the names literal in TypeScript 5.0, which takes no `const` from a parameter that is an intersection.
/**
 * Gives columns new names: `rename({ origin: 'from', destination: 'to' })`. Order and values stay.
 *
 * @throws `Schema` for a column that is not there, or when two columns would have one name
 */
export const rename = <S extends Schema, M extends Mode, New extends string, const R extends { readonly [K in keyof S]?: New }>(
  names: R & { readonly [K in Exclude<keyof R, keyof S>]: never },
): ((stream: Stream<S, M>) => Stream<Renamed<S, R>, M>) => (stream) => {
  const given = names as { readonly [name: string]: string }
  const newName = (name: string): string => (Object.prototype.hasOwnProperty.call(given, name) ? given[name]! : name)
  requireNames(Object.fromEntries(Object.values(given).map((to) => [to, undefined])) as unknown as Schema)
  const oldNames: { [name: string]: string } = {}
  const renamed = (): Schema => {
    for (const name in given) requireColumn(stream.schema, name, 'rename')
    const schema: { [name: string]: Field } = {}
    for (const [name, field] of Object.entries(stream.schema)) {
      const to = newName(name)
      if (Object.hasOwn(schema, to)) throw sameName(oldNames[to]!, name, to)
      schema[to] = field
      oldNames[to] = name
    }
    return schema
  }
  return transformBatches<S, Renamed<S, R>, M>(stream, {
    operator: 'rename',
    options: { names: { ...given } },
    schema: derivedSchema([stream], () => renamed() as Renamed<S, R>),
    needs: (wanted) => wanted?.map((name) => oldNames[name] ?? name),
    transform: (batch) => {
      const columns: { [name: string]: Column } = {}
      const fields: { [name: string]: Field } = {}
      for (const [name, column] of Object.entries(batch.columns as ColumnMap)) {
        columns[newName(name)] = column
        fields[newName(name)] = batch.schema[name]!
      }
      return makeBatch(fields, columns, batch.numRows) as unknown as Batch<Renamed<S, R>>
    },
  })
}

const sameName = (first: string, second: string, to: string): Error =>
  failure({
    tag: 'Schema',
    code: 'DUPLICATE_COLUMN',
    problem: `rename would give the columns "${first}" and "${second}" the same name "${to}"`,
    remedy: 'Drop one of them first, or choose another name.',
    position: { column: to },
  })
