import { field, pipe, withSchema, type Float64, type Int32, type Job, type Schema, type Stream, type Utf8 } from '@millrace/core'
import { csvSchema, readCsv, readJson, readParquet, readSequenceExamples, writeCsv, writeParquet, writeTfRecords, type WriteParquetOptions, type WriteReport } from '@millrace/formats'
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

  it('take lists as feature lists only', () => {
    const lists = { p: field.list(field.float32()), q: field.nullable(field.list(field.list(field.utf8()))) }
    expectTypeOf(readSequenceExamples('x', { context: { u: field.int32() }, featureLists: lists })).toEqualTypeOf<Stream<{ u: Int32 } & typeof lists, 'cold'>>()
    // @ts-expect-error a number is none
    expectTypeOf(() => readSequenceExamples('x', { featureLists: { p: field.float32() } })).toBeFunction()
  })
})

describe('the types of writers', () => {
  const stream = readCsv('x', { schema })

  it('partition by columns that are there', () => {
    expectTypeOf(pipe(stream, writeParquet('y', { partitionBy: ['a'] }))).toEqualTypeOf<Job<WriteReport>>()
    expectTypeOf(pipe(stream, writeTfRecords('y', { partitionBy: ['a', 'b'], shards: 2 }))).toEqualTypeOf<Job<WriteReport>>()
    expectTypeOf(pipe(stream, writeCsv('y', { partitionBy: [] }))).toEqualTypeOf<Job<WriteReport>>()
    expectTypeOf(pipe(stream, writeCsv('y'))).toEqualTypeOf<Job<WriteReport>>()
    // @ts-expect-error there is no column zz
    expectTypeOf(pipe(stream, writeParquet('y', { partitionBy: ['zz'] }))).toBeFunction()
    // @ts-expect-error nor beside one that is there
    expectTypeOf(pipe(stream, writeTfRecords('y', { partitionBy: ['a', 'zz'] }))).toBeFunction()
  })

  it('leave it to the run where names or columns are not known', () => {
    expectTypeOf(pipe(readCsv('x'), writeCsv('y', { partitionBy: ['a'] }))).toEqualTypeOf<Job<WriteReport>>()
    const options: WriteParquetOptions = { partitionBy: ['a'] }
    expectTypeOf(pipe(stream, writeParquet('y', options))).toEqualTypeOf<Job<WriteReport>>()
  })
})
