import { requireColumn, type Field, type Schema } from '../../schema/index.js'
import type { Batch } from '../batch.js'
import { pickColumns } from '../columns-of.js'
import { derivedSchema } from '../schema-later.js'
import type { Mode, Stream } from '../stream.js'
import { transformBatches } from '../transform.js'

/**
 * Keeps the named columns, in the order named. Sources that can leave the other columns unread do so.
 *
 * @typeParam S - taken from the stream in a pipe; elsewhere, `select('a')(stream)`, any stream with these columns
 * @throws `Schema` for a column that is not there
 */
export const select = <const K extends keyof S & string, M extends Mode, S extends Schema = { readonly [P in K]: Field }>(
  ...names: readonly K[]
): ((stream: Stream<S, M>) => Stream<{ readonly [P in K]: S[P] }, M>) => (stream) =>
  transformBatches<S, { readonly [P in K]: S[P] }, M>(stream, {
    operator: 'select',
    options: { columns: [...names] },
    schema: derivedSchema([stream], () => Object.fromEntries(names.map((name) => [name, requireColumn(stream.schema, name, 'select')])) as { readonly [P in K]: S[P] }),
    needs: (wanted) => (wanted === undefined ? names : names.filter((name) => wanted.includes(name))),
    transform: (batch) => pickColumns(batch, names) as unknown as Batch<{ readonly [P in K]: S[P] }>,
  })
