import {
  bucketize, dayOfWeek, features, featuresFromJSON, field, fromRows, greaterThan, hashBucket, hourOfDay, identity, label, minMax, oneHot, pipe, run,
  standardize, vocabulary,
  type FittedFeatures, type Float32, type Int32, type List, type Stream,
} from '@millrace/core'
import { describe, expectTypeOf, it } from 'vitest'

// Checked by tsc (npm run check); run by vitest so that what is built here also builds at run time.

const flight = {
  origin: field.utf8(),
  destination: field.nullable(field.dictionary()),
  delay: field.int32(),
  distance: field.nullable(field.float64()),
  date: field.timestamp(),
  flight: field.int64(),
  cancelled: field.bool(),
}
const flights = fromRows(flight, [
  { origin: 'SEA', destination: null, delay: 12, distance: 95, date: new Date(0), flight: 1n, cancelled: false },
])

const spec = features({
  origin: vocabulary({ topK: 500 }),
  to: vocabulary({ from: 'destination', oovBuckets: 3 }),
  hour: hourOfDay({ from: 'date' }),
  day: oneHot(dayOfWeek({ from: 'date' })),
  distance: standardize(),
  scaled: minMax({ from: 'distance' }),
  bucket: bucketize({ buckets: 10, from: 'distance' }),
  flight: hashBucket({ buckets: 100 }),
  raw: identity({ from: 'distance' }),
  cancelled: identity(),
  late: label(greaterThan(15, { from: 'delay' })),
})

type Columns = {
  readonly origin: Int32
  readonly to: Int32
  readonly hour: Int32
  readonly day: List<Float32>
  readonly distance: Float32
  readonly scaled: Float32
  readonly bucket: Int32
  readonly flight: Int32
  readonly raw: Float32
  readonly cancelled: Int32
  readonly late: Int32
}

describe('the types of features', () => {
  it('follow the columns that the features take', async () => {
    const inputs = await run(spec.fit(flights))
    const columns = pipe(flights, inputs.apply)
    expectTypeOf(columns).toEqualTypeOf<Stream<Columns, 'cold'>>()
    expectTypeOf(flights.pipe(inputs.apply)).toEqualTypeOf<Stream<Columns, 'cold'>>()
    expectTypeOf(inputs.apply(flights as unknown as Stream<typeof flight, 'once'>)).toEqualTypeOf<Stream<Columns, 'once'>>()
  })

  it('make a small schema for a small description', async () => {
    const inputs = await run(features({ origin: vocabulary(), distance: standardize(), late: label(greaterThan(15, { from: 'delay' })) }).fit(flights))
    expectTypeOf(pipe(flights, inputs.apply)).toEqualTypeOf<Stream<{ readonly origin: Int32; readonly distance: Float32; readonly late: Int32 }, 'cold'>>()
    // @ts-expect-error there is no such feature
    expectTypeOf(() => inputs.cardinality('orign')).toBeFunction()
    expectTypeOf(pipe(flights, inputs.addLabels).schema.late).toEqualTypeOf<Int32>()
    expectTypeOf(pipe(flights, inputs.addLabels).schema.delay).toEqualTypeOf<typeof flights.schema.delay>()
    expectTypeOf(inputs.withoutLabels().output).toEqualTypeOf<{ readonly origin: Int32; readonly distance: Float32 }>()
  })

  it('let any fitted features be passed on', async () => {
    const inputs = await run(spec.fit(flights))
    const anyFeatures = (fitted: FittedFeatures): readonly string[] => Object.keys(fitted.features)
    expectTypeOf(anyFeatures(inputs)).toEqualTypeOf<readonly string[]>()
    expectTypeOf(featuresFromJSON(JSON.stringify(inputs)).apply(flights).mode).toEqualTypeOf<'cold'>()
  })

  it('refuse a missing column, by the name of the feature', () => {
    const wanting = features({ orign: vocabulary() })
    // @ts-expect-error feature "orign" needs the column "orign", which the stream does not have
    expectTypeOf(() => wanting.fit(flights)).toBeFunction()
    expectTypeOf(wanting.fit).parameter(0).not.toBeAny()
    const renamed = features({ origin: vocabulary({ from: 'orign' }) })
    // @ts-expect-error feature "origin" needs the column "orign"
    expectTypeOf(() => renamed.fit(flights)).toBeFunction()
  })

  it('refuse a column of another kind', () => {
    // @ts-expect-error feature "origin" takes a number, and the column "origin" is utf8
    expectTypeOf(() => features({ origin: standardize() }).fit(flights)).toBeFunction()
    // @ts-expect-error feature "distance" takes text or an integer, and the column "distance" is float64
    expectTypeOf(() => features({ distance: vocabulary() }).fit(flights)).toBeFunction()
    // @ts-expect-error feature "hour" takes a timestamp, and the column "origin" is utf8
    expectTypeOf(() => features({ hour: oneHot(hourOfDay({ from: 'origin' })) }).fit(flights)).toBeFunction()
    // @ts-expect-error feature "late" takes a number, and the column "cancelled" is bool
    expectTypeOf(() => features({ late: label(greaterThan(0, { from: 'cancelled' })) }).fit(flights)).toBeFunction()
  })

  it('refuse a stream that can be read only once', () => {
    const once = flights as unknown as Stream<typeof flight, 'once'>
    // @ts-expect-error pipe it through cache() first
    expectTypeOf(() => features({ origin: vocabulary() }).fit(once)).toBeFunction()
  })

  it('refuse a stream to apply to without the columns', async () => {
    const inputs = await run(features({ origin: vocabulary() }).fit(flights))
    const other = fromRows({ destination: field.utf8() }, [])
    // @ts-expect-error feature "origin" needs the column "origin"
    expectTypeOf(() => inputs.apply(other)).toBeFunction()
    // @ts-expect-error the same in a pipe
    expectTypeOf(() => pipe(other, inputs.apply)).toBeFunction()
  })

  it('refuse one-hot over what is no index', () => {
    // @ts-expect-error a standardized number is no index
    expectTypeOf(() => oneHot(standardize())).toBeFunction()
  })

  it('leave streams without a schema to the check when they are read', () => {
    const unknown: Stream = flights
    expectTypeOf(() => features({ origin: vocabulary() }).fit(unknown as Stream<Stream['schema'], 'cold'>)).toBeFunction()
  })
})
