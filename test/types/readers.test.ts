import { field, pipe, withSchema, type Float64, type Int32, type Job, type Schema, type Stream, type Utf8 } from '@millrace/core'
import { csvSchema, readCsv, readJson, readParquet } from '@millrace/formats'
import { describe, expectTypeOf, it } from 'vitest'

// Checked by tsc (npm run check); run by vitest so that what is built here also builds at run time.

const schema = { a: field.int32(), b: field.utf8() }
type AB = typeof schema

describe('the types of readers', () => {
  it('carry the schema', () => {
    expectTypeOf(readCsv('x', { schema })).toEqualTypeOf<Stream<AB, 'cold'>>()
    expectTypeOf(readJson('x', { schema, format: 'lines' })).toEqualTypeOf<Stream<AB, 'cold'>>()
    expectTypeOf(readParquet(['x', 'y'], { schema, rowGroups: [0] })).toEqualTypeOf<Stream<AB, 'cold'>>()
    expectTypeOf(readCsv('x', { schema: { x: field.float64() } })).toEqualTypeOf<Stream<{ x: Float64 }, 'cold'>>()
  })

  it('are dynamic without one, until withSchema', () => {
    expectTypeOf(readCsv('x')).toEqualTypeOf<Stream<Schema, 'cold'>>()
    expectTypeOf(readParquet('x', { columns: ['a'] })).toEqualTypeOf<Stream<Schema, 'cold'>>()
    expectTypeOf(pipe(readCsv('x'), withSchema(schema))).toEqualTypeOf<Stream<AB, 'cold'>>()
    expectTypeOf(csvSchema('x')).toEqualTypeOf<Job<Schema>>()
  })

  it('take no lie', () => {
    // @ts-expect-error a stream without a schema is none of utf8 columns
    const untold: Stream<{ a: Utf8 }> = readCsv('x')
    // @ts-expect-error nor is one of another schema
    const other: Stream<{ a: Utf8 }> = readCsv('x', { schema: { a: field.int32() } })
    // @ts-expect-error nor is that of another reader
    const parquet: Stream<{ a: Int32 }> = readParquet('x')
    expectTypeOf([untold, other, parquet]).toBeArray()
    // @ts-expect-error JSON has no columns to find
    expectTypeOf(() => readJson('x')).toBeFunction()
  })

  it('know the columns that options name', () => {
    expectTypeOf(readCsv('x', { schema, columns: { a: 'A', b: 2 } })).toEqualTypeOf<Stream<AB, 'cold'>>()
    expectTypeOf(readJson('x', { schema, paths: { a: 'x.y', b: ['x', 'y.z'] } })).toEqualTypeOf<Stream<AB, 'cold'>>()
    // @ts-expect-error there is no column c
    expectTypeOf(() => readJson('x', { schema, paths: { c: 'x' } })).toBeFunction()
    // @ts-expect-error there is no column d either
    expectTypeOf(() => readCsv('x', { schema, columns: { d: 'x' } })).toBeFunction()
  })
})
