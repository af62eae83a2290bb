import { failure } from '../errors/index.js'
import type { Schema } from '../schema/index.js'

/**
 * The value of a plain object under a name, or `undefined`: not what every object inherits, since columns may be called
 * `constructor` or `toString`. Getters of a row's own class count.
 */
export const ownValue = (object: object, name: string): unknown => {
  const value = (object as { readonly [name: string]: unknown })[name]
  return value !== undefined && name in Object.prototype && value === (Object.prototype as unknown as { readonly [name: string]: unknown })[name] ? undefined : value
}

/** Refuses a column named `__proto__`, which rows and batches, being plain objects, cannot hold. @throws `Schema` */
export const requireNames = (schema: Schema): void => {
  if (!Object.hasOwn(schema, '__proto__')) return
  throw failure({ tag: 'Schema', code: 'BAD_COLUMN_NAME', problem: 'no column can be named "__proto__"', remedy: 'Rename it in the source, or read it under another name.' })
}
