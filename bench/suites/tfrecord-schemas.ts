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

/** Schemas by the names that commands to contenders use. */
export const schemas: { readonly [name: string]: Schema } = { tabular, images, sequences: { ...sequences.context, ...sequences.featureLists } }
