import { field, type Schema } from '@millrace/core'

/** A table of many small columns, some texts in quotes, with commas and line ends in them. */
export const mixed = {
  id: field.int64(), user: field.utf8(), city: field.utf8(), score: field.float64(), price: field.float32(), clicks: field.int32(),
  visits: field.int64(), day: field.utf8(), note: field.utf8(), latitude: field.float64(), longitude: field.float64(), label: field.int32(),
}

const numbered = <F>(prefix: string, count: number, make: () => F): { [name: string]: F } => Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, make()]))

/** Schemas of the suite's shapes by their names. */
export const csvSchemas: { readonly [name: string]: Schema } = {
  mixed,
  integers: { ...numbered('i', 10, field.int32), ...numbered('l', 6, field.int64) },
  floats: { ...numbered('f', 6, field.float32), ...numbered('d', 6, field.float64) },
  texts: { id: field.int32(), title: field.utf8(), body: field.utf8() },
}
