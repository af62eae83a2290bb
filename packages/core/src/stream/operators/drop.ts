import { requireColumn, type Schema } from '../../schema/index.js'
import type { Batch } from '../batch.js'
import { pickColumns } from '../columns-of.js'
import { derivedSchema } from '../schema-later.js'
import type { Mode, Stream } from '../stream.js'
import { transformBatches } from '../transform.js'

/**
 * Leaves out the named columns. Sources that can leave them unread do so.
 *
 * @throws `Schema` for a column that is not there
 */
export const drop = <S extends Schema, M extends Mode, const K extends keyof S & string>(
  ...names: readonly K[]
): ((stream: Stream<S, M>) => Stream<{ readonly [P in Exclude<keyof S, K>]: S[P] }, M>) => (stream) => {
  const dropped = new Set<string>(names)
  const kept = (): readonly string[] => Object.keys(stream.schema).filter((name) => !dropped.has(name))
  return transformBatches<S, { readonly [P in Exclude<keyof S, K>]: S[P] }, M>(stream, {
    operator: 'drop',
    options: { columns: [...names] },
    schema: derivedSchema([stream], () => {
      for (const name of names) requireColumn(stream.schema, name, 'drop')
      return Object.fromEntries(kept().map((name) => [name, stream.schema[name]!])) as { readonly [P in Exclude<keyof S, K>]: S[P] }
    }),
    needs: (wanted) => (wanted === undefined ? kept() : kept().filter((name) => wanted.includes(name))),
    transform: (batch) => pickColumns(batch, kept()) as unknown as Batch<{ readonly [P in Exclude<keyof S, K>]: S[P] }>,
  })
}
