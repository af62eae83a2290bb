import { batchFromRows, field, type Schema } from '@millrace/core'
import { expect, it } from 'vitest'
import { SequenceExampleDecoder, SequenceExampleEncoder } from '../sequence/index.js'
import { ByteBuffer, ExampleDecoder, ExampleEncoder } from './index.js'

const encoded = (encoder: { bind(batch: never): void; encode(row: number, out: ByteBuffer): void }, schema: Schema, row: object): Uint8Array => {
  const out = new ByteBuffer()
  encoder.bind(batchFromRows(schema, [row as never]) as never)
  encoder.encode(0, out)
  return out.written().slice()
}
const example = (schema: Schema, row: object): Uint8Array => encoded(new ExampleEncoder(schema), schema, row)

const remedyOf = (decode: () => void): string => {
  try {
    decode()
  } catch (error) {
    expect(error).toMatchObject({ _tag: 'BadRecord', code: 'EXAMPLE_MISSING' })
    return (error as { readonly remedy: string }).remedy
  }
  throw new Error('it did not fail')
}

it('says what the record has, what was probably meant, and what to do', () => {
  const origin = example({ origin: field.utf8(), delay: field.int64() }, { origin: 'JFK', delay: 5n })
  expect(remedyOf(() => new ExampleDecoder({ delay: field.int64(), orign: field.utf8() }).decode(origin))).toBe(
    'Did you mean "origin"? The record\'s features are: "origin", "delay". Where records may lack it, make the field nullable, or give it a value in defaults.',
  )
  const remedy = remedyOf(() => new ExampleDecoder({ airport: field.utf8() }).decode(origin))
  expect(remedy).not.toContain('Did you mean')
  // That would leave out all records of a file.
  expect(remedy).not.toContain('onBadRecord')
  const decoder = new ExampleDecoder({ a: field.utf8() })
  decoder.decode(example({ a: field.utf8() }, { a: 'x' }))
  expect(remedyOf(() => decoder.decode(new Uint8Array(0)))).toMatch(/^The record has no feature\./)
})

it('lists names of any kind and number shortly, and on one line', () => {
  const names = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`n\n${'x'.repeat(100)}${i}`, field.int32()]))
  const many = example(names, Object.fromEntries(Object.keys(names).map((name) => [name, 1])))
  const remedy = remedyOf(() => new ExampleDecoder({ a: field.int32() }).decode(many))
  expect(remedy.length).toBeLessThan(4000)
  expect(remedy).not.toContain('\n')
})

it('tells feature lists from features of the context', () => {
  const columns = { user: field.int64(), price: field.list(field.float32()) }
  const record = encoded(new SequenceExampleEncoder(columns, { featureLists: ['price'] }), columns, { user: 1n, price: [1, 2] })
  expect(remedyOf(() => new SequenceExampleDecoder({ context: {}, featureLists: { prices: columns.price } }).decode(record))).toMatch(/^Did you mean "price"\? The record's feature lists are: "price"\..*allow_missing/)
  expect(remedyOf(() => new SequenceExampleDecoder({ context: { usr: field.int64() }, featureLists: { price: columns.price } }).decode(record))).toMatch(/^Did you mean "user"\? The record's features are: "user"\./)
})
