import { field, type Schema } from '@millrace/core'

/** 13 features, as a table of users might have: 5 floats, 5 integers, 3 short texts. */
export const tabular = {
  age: field.float32(), income: field.float32(), score: field.float32(), height: field.float32(), weight: field.float32(),
  user_id: field.int64(), clicks: field.int64(), visits: field.int64(), ts: field.int64(), label: field.int64(),
  country: field.utf8(), device: field.utf8(), city: field.utf8(),
}
export type Tabular = typeof tabular

/** Few large values. */
export const images = { image: field.binary(), label: field.int64() }

/** A session: who, and its steps, with one value each and with several. */
export const sequences = {
  context: { user: field.int64(), country: field.utf8() },
  featureLists: { price: field.list(field.float32()), item: field.list(field.int64()), tags: field.list(field.list(field.int64())) },
}

const named = <F>(count: number, prefix: string, of: F): { readonly [name: string]: F } => Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, of]))

/** Many small features, as of clicks. */
export const wide: Schema = { ...named(100, 'ratio_', field.float32()), ...named(100, 'count_', field.int64()) }

/** Texts and nothing else. */
export const strings: Schema = named(12, 'text_', field.utf8())

/** An embedding, always of the same length, and ids of which there may be any number. */
export const lists: Schema = { embedding: field.list(field.float32()), ids: field.list(field.int64()), weights: field.list(field.float32()) }

/** Features of which a record has few. */
export const sparse: Schema = { ...named(100, 'ratio_', field.nullable(field.float32())), ...named(100, 'count_', field.nullable(field.int64())) }

/** Schemas by the names that commands to contenders use. */
export const schemas: { readonly [name: string]: Schema } = { tabular, images, wide, strings, lists, sparse, sequences: { ...sequences.context, ...sequences.featureLists } }
