import {
  cache, collect, concat, drop, field, filter, flow, forEach, fromIterable, fromRows, interleave, map, mapColumns, pipe, prefetch, rename, repeat, rows,
  run, select, shuffle, sort, split, take, tap, withColumn, withSchema,
  type Float32, type Int32, type Job, type Mode, type Nullable, type Row, type Schema, type Stream, type Timestamp, type Utf8,
} from '@millrace/core'
import { describe, expectTypeOf, it } from 'vitest'

// Checked by tsc (npm run check); run by vitest so that what is built here also builds at run time.

const flight = {
  origin: field.utf8(),
  delay: field.int32(),
  distance: field.nullable(field.float32()),
  date: field.timestamp(),
}
type Flight = typeof flight

const flights = fromRows(flight, [{ origin: 'SEA', delay: 12, distance: 95, date: new Date(0) }])

describe('the types of operators', () => {
  it('gives lambdas typed rows inside pipe', () => {
    const late = pipe(
      flights,
      filter((row) => {
        expectTypeOf(row).toEqualTypeOf<{ readonly origin: string; readonly delay: number; readonly distance: number | null; readonly date: Date }>()
        return row.delay > 15
      }),
      tap((row) => expectTypeOf(row.origin).toEqualTypeOf<string>()),
      withColumn('late', field.bool(), (row) => {
        expectTypeOf(row.date).toEqualTypeOf<Date>()
        return row.delay > 15
      }),
      map({ text: field.utf8() }, (row) => {
        expectTypeOf(row.late).toEqualTypeOf<boolean>()
        return { text: row.origin }
      }),
    )
    expectTypeOf(late).toEqualTypeOf<Stream<{ text: Utf8 }, 'cold'>>()
  })

  it('does so in the method form too', () => {
    const texts = flights.pipe(filter((row) => row.delay > 0), map({ text: field.utf8() }, (row) => ({ text: row.origin })))
    expectTypeOf(texts).toEqualTypeOf<Stream<{ text: Utf8 }, 'cold'>>()
  })

  it('takes named functions', () => {
    const isLate = (row: { readonly delay: number }): boolean => row.delay > 15
    expectTypeOf(pipe(flights, filter(isLate))).toEqualTypeOf<Stream<Flight, 'cold'>>()
    const isLateFlight = (row: Row<Flight>): boolean => row.delay > 15
    expectTypeOf(pipe(flights, filter(isLateFlight))).toEqualTypeOf<Stream<Flight, 'cold'>>()
  })

  it('refuses lambdas over columns that are not there, and results that do not fit', () => {
    // @ts-expect-error: no such column
    pipe(flights, filter((row) => row.dealy > 15))
    // @ts-expect-error: a promise is not a boolean
    pipe(flights, filter(async (row) => row.delay > 15))
    // @ts-expect-error: text is a string
    pipe(flights, map({ text: field.utf8() }, (row) => ({ text: row.delay })))
    // @ts-expect-error: the field is a bool
    pipe(flights, withColumn('late', field.bool(), (row) => row.delay))
  })

  it('narrows by select and drop', () => {
    expectTypeOf(pipe(flights, select('origin', 'delay'))).toEqualTypeOf<Stream<{ readonly origin: Utf8; readonly delay: Int32 }, 'cold'>>()
    expectTypeOf(flights.pipe(select('origin'))).toEqualTypeOf<Stream<{ readonly origin: Utf8 }, 'cold'>>()
    expectTypeOf(Object.keys(select('origin')(flights).schema)).toEqualTypeOf<string[]>()
    // Columns that nobody knows yet.
    expectTypeOf(pipe(flights as Stream<Schema, 'cold'>, select('origin'))).toEqualTypeOf<Stream<{ readonly origin: Schema[string] }, 'cold'>>()
    expectTypeOf(pipe(flights, drop('date', 'distance'))).toEqualTypeOf<Stream<{ readonly origin: Utf8; readonly delay: Int32 }, 'cold'>>()
    const wrong = (): void => {
      // @ts-expect-error: no such column
      pipe(flights, select('dealy'))
      // @ts-expect-error: no such column, outside a pipe either
      select('dealy')(flights)
      // @ts-expect-error: no such column
      pipe(flights, drop('dealy'))
      // @ts-expect-error: select took date away
      pipe(flights, select('origin'), filter((row) => row.date > new Date()))
      // @ts-expect-error: no such column
      pipe(flights, sort('dealy'))
      // @ts-expect-error: no such column
      pipe(flights, sort([{ by: 'dealy', order: 'desc' }]))
      // @ts-expect-error: no such column
      pipe(flights, rename({ dealy: 'x' }))
      // @ts-expect-error: no such column
      pipe(flights, split({ train: 0.8, test: 0.2 }, { byTime: 'dat' }))
    }
    expectTypeOf(wrong).toBeFunction()
  })

  it('renames', () => {
    expectTypeOf(pipe(flights, rename({ origin: 'from', delay: 'minutes' }))).toEqualTypeOf<
      Stream<{ readonly from: Utf8; readonly minutes: Int32; readonly distance: Nullable<Float32>; readonly date: Timestamp }, 'cold'>
    >()
  })

  it('adds and replaces columns', () => {
    const more = pipe(flights, select('origin', 'delay'), withColumn('delay', field.utf8(), (row) => `${row.delay}`), withColumn('late', field.nullable(field.bool()), () => null))
    expectTypeOf<Row<typeof more.schema>>().toEqualTypeOf<{ readonly origin: string; readonly delay: string; readonly late: boolean | null }>()
    const columns = pipe(
      flights,
      mapColumns({ hours: field.float32() }, ({ columns, numRows }) => {
        expectTypeOf(columns.delay.values).toEqualTypeOf<Int32Array>()
        expectTypeOf(columns.date.values).toEqualTypeOf<BigInt64Array>()
        return { hours: Float32Array.from({ length: numRows }, (_, i) => columns.delay.values[i]! / 60) }
      }),
    )
    expectTypeOf<Row<typeof columns.schema>>().toEqualTypeOf<{
      readonly origin: string; readonly delay: number; readonly distance: number | null; readonly date: Date; readonly hours: number
    }>()
    const wrong = (): void => {
      // @ts-expect-error: the column hours is missing
      pipe(flights, mapColumns({ hours: field.float32() }, () => ({})))
    }
    expectTypeOf(wrong).toBeFunction()
  })

  it('keeps the names of the parts of a split', () => {
    const parts = pipe(flights, split({ train: 0.8, test: 0.2 }, { byTime: 'date' }))
    expectTypeOf(parts).toEqualTypeOf<{ readonly train: Stream<Flight, 'cold'>; readonly test: Stream<Flight, 'cold'> }>()
    expectTypeOf(pipe(flights, split({ a: 0.5, b: 0.3, c: 0.2 }, { seed: 1 }))).toHaveProperty('c')
    // @ts-expect-error: there is no such part
    expectTypeOf(parts.validation).toBeUndefined()
  })

  it('tells cold streams from those that can be read once', () => {
    const lines = fromIterable({ line: field.utf8() }, [{ line: 'a' }])
    expectTypeOf(lines).toEqualTypeOf<Stream<{ line: Utf8 }, 'once'>>()
    expectTypeOf(pipe(lines, filter((row) => row.line !== ''), take(3), prefetch(1))).toEqualTypeOf<Stream<{ line: Utf8 }, 'once'>>()
    const cached = pipe(lines, cache())
    expectTypeOf(cached).toEqualTypeOf<Stream<{ line: Utf8 }, 'cold'>>()
    expectTypeOf(pipe(cached, repeat(2), shuffle({ seed: 1 }))).toEqualTypeOf<Stream<{ line: Utf8 }, 'cold'>>()
    expectTypeOf(fromIterable({ line: field.utf8() }, () => [{ line: 'a' }])).toEqualTypeOf<Stream<{ line: Utf8 }, 'cold'>>()
    const again = fromIterable({ line: field.utf8() }, () => [{ line: 'b' }])
    expectTypeOf(pipe(again, concat(lines)).mode).toEqualTypeOf<Mode>()
    expectTypeOf(pipe(again, interleave([cached])).mode).toEqualTypeOf<'cold'>()
    const wrong = (): void => {
      // @ts-expect-error: it can be read only once
      pipe(lines, repeat(2))
      // @ts-expect-error: each part reads the stream
      pipe(lines, split({ train: 0.8, test: 0.2 }, { byKey: 'line' }))
      // @ts-expect-error: concat with a once stream is not cold
      pipe(again, concat(lines), repeat(2))
    }
    expectTypeOf(wrong).toBeFunction()
  })

  it('brings dynamic rows into a schema', () => {
    const dynamic = flights as Stream<Schema, 'cold'>
    const known = pipe(dynamic, withSchema({ origin: field.utf8(), delay: field.float32() }))
    expectTypeOf(known).toEqualTypeOf<Stream<{ origin: Utf8; delay: Float32 }, 'cold'>>()
  })

  it('has sinks that give jobs', () => {
    expectTypeOf(pipe(flights, select('origin'), collect())).toEqualTypeOf<Job<{ readonly origin: string }[]>>()
    expectTypeOf(run(pipe(flights, forEach((row) => expectTypeOf(row.delay).toEqualTypeOf<number>())))).toHaveProperty('then')
    expectTypeOf(rows(flights)).toEqualTypeOf<AsyncGenerator<Row<Flight>, void, undefined>>()
  })

  it('takes fields that may be null where others are, not the other way round', () => {
    expectTypeOf<Utf8>().toExtend<Nullable<Utf8>>()
    expectTypeOf<Nullable<Utf8>>().not.toExtend<Utf8>()
    expectTypeOf<Stream<{ a: Utf8 }, 'cold'>>().toExtend<Stream<{ a: Nullable<Utf8> }>>()
    expectTypeOf<Stream<{ a: Nullable<Utf8> }, 'cold'>>().not.toExtend<Stream<{ a: Utf8 }>>()
    expectTypeOf<Stream<{ a: Utf8 }, 'once'>>().not.toExtend<Stream<{ a: Utf8 }, 'cold'>>()
  })

  it('composes operators that need no schema by flow', () => {
    const small = flow(take(10), prefetch(2))
    expectTypeOf(small).toBeFunction()
  })
})
