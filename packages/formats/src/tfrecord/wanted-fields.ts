import { requireColumn, type OpenContext, type Schema } from '@millrace/core'
import type { RecordStreamOptions } from './record-stream.js'

/**
 * The fields that are decoded. Columns that nobody will look at are left out only when a bad record ends the stream: where bad
 * records are skipped, which rows there are must not depend on who looks.
 */
export const wantedFields = (schema: Schema, options: RecordStreamOptions, context: OpenContext): Schema => {
  const { columns } = context
  if (columns === undefined || (options.onBadRecord ?? 'fail') !== 'fail') return schema
  for (const name of columns) requireColumn(schema, name, 'the reader of TFRecords')
  return Object.fromEntries(Object.entries(schema).filter(([name]) => columns.includes(name)))
}

/** Defaults of columns that come from the records: partitions are no features. */
export const defaultsOf = <D extends object>(schema: Schema, defaults: D | undefined): D | undefined =>
  defaults === undefined ? undefined : (Object.fromEntries(Object.entries(defaults).filter(([name]) => Object.hasOwn(schema, name))) as D)
