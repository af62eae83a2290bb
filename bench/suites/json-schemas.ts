import { field, type Schema } from '@millrace/core'

/** A table of many small columns; the file has a key besides that nobody asks for. */
const mixed = {
  id: field.int64(), user: field.utf8(), city: field.utf8(), score: field.float64(), clicks: field.int32(), active: field.bool(),
}

const numbered = <F>(prefix: string, count: number, make: () => F): { [name: string]: F } => Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, make()]))

/** Schemas of the suite's shapes by their names. */
export const jsonSchemas: { readonly [name: string]: Schema } = {
  mixed,
  numbers: { ...numbered('i', 8, field.int32), ...numbered('d', 8, field.float64) },
  texts: { id: field.int32(), title: field.utf8(), body: field.utf8() },
  nested: { id: field.int32(), city: field.utf8(), latitude: field.float64(), longitude: field.float64(), brand: field.utf8() },
  lists: { id: field.int32(), embedding: field.list(field.float32()) },
  sparse: { id: field.int32(), ...numbered('s', 32, () => field.nullable(field.float64())) },
}

/** Where columns stand that are not keys of the record itself, by shape. */
export const jsonPaths: { readonly [shape: string]: { readonly [column: string]: string } } = {
  nested: { city: 'address.city', latitude: 'address.place.latitude', longitude: 'address.place.longitude', brand: 'device.brand' },
}
