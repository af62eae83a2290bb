import { field, fromIterable, fromRows, map, pipe } from '@millrace/core'
import { describe, expect, it } from 'vitest'
import { readArrow, readCsv, readJson, readParquet, readRawRecords, readSequenceExamples, readTfRecords } from '../index.js'

/** As JavaScript calls them. */
type Anything = (source?: unknown, options?: unknown) => unknown
const readers: { readonly [name: string]: Anything } = { readCsv, readJson, readTfRecords, readParquet, readArrow, readRawRecords, readSequenceExamples } as never
const schema = { id: field.int32() }
const withoutSchema = ['readRawRecords', 'readSequenceExamples']
const schemaFor = (name: string): object => (withoutSchema.includes(name) ? {} : { schema })

const errorOf = (work: () => unknown): unknown => {
  try {
    work()
  } catch (error) {
    return error
  }
  return 'no error'
}

describe.each(Object.entries(readers))('what %s is given from JavaScript', (name, read) => {
  it('is a source, and options', () => {
    for (const source of [42, undefined, null, [1], { url: 'x' }]) expect(errorOf(() => read(source, schemaFor(name)))).toMatchObject({ _tag: 'Usage', code: 'BAD_SOURCE' })
    for (const options of ['csv', [schema], null]) expect(errorOf(() => read('x', options))).toMatchObject({ _tag: 'Usage', code: 'BAD_OPTION' })
  })
})

it.each(Object.keys(readers).filter((name) => !withoutSchema.includes(name)))('%s has fields in its schema', (name) => {
  const read = readers[name]!
  for (const [of, remedy] of [['int64', 'Write field.int64(…).'], [field.int64, 'Write field.int64(…).'], [undefined, 'Write field.utf8() and the like.'], [{}, 'Write field.utf8() and the like.']] as const) {
    expect(errorOf(() => read('x', { schema: { a: of } }))).toMatchObject({ _tag: 'Schema', code: 'NOT_A_FIELD', remedy, position: { column: 'a' } })
  }
  for (const wrong of ['id', []]) expect(errorOf(() => read('x', { schema: wrong }))).toMatchObject({ code: 'NOT_A_FIELD' })
})

it.each(['readCsv', 'readJson', 'readTfRecords', 'readRawRecords', 'readSequenceExamples'])('%s has numbers as limits', (name) => {
  for (const maxRecordBytes of [NaN, 0, -1, '16 MiB']) expect(errorOf(() => readers[name]!('x', { ...schemaFor(name), maxRecordBytes }))).toMatchObject({ _tag: 'Usage', code: 'BAD_OPTION', problem: expect.stringContaining(`maxRecordBytes of ${name}`) as string })
})

it('readers that find no schema are told one', () => {
  for (const name of ['readJson', 'readTfRecords']) {
    for (const options of [undefined, {}]) expect(errorOf(() => readers[name]!('x', options))).toMatchObject({ _tag: 'Usage', code: 'NO_SCHEMA', remedy: expect.stringContaining('inferSchema') as string })
  }
})

it('words are those there are, and columns those of the schema', () => {
  expect(errorOf(() => readers['readCsv']!('x', { schema, finalNewline: 'yes' }))).toMatchObject({ code: 'BAD_OPTION', remedy: "Give one of 'optional', 'required'." })
  expect(errorOf(() => readers['readJson']!('x', { schema, format: 'ndjson' }))).toMatchObject({ code: 'BAD_OPTION', remedy: "Give one of 'array', 'lines'." })
  expect(errorOf(() => readers['readCsv']!('x', { schema, columns: { idd: 'id' } }))).toMatchObject({ code: 'CSV_OPTIONS', problem: expect.stringContaining('"idd"') as string })
})

it('sources and operators of rows take fields only, too', () => {
  const wrong = { a: 'int64' } as never
  for (const work of [() => fromRows(wrong, []), () => fromIterable(wrong, []), () => pipe(fromRows(schema, []), map(wrong, () => ({}) as never))]) expect(errorOf(work)).toMatchObject({ code: 'NOT_A_FIELD' })
})
