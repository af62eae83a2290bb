import { fixedColumn } from '../../columns/index.js'
import { field, type Int32 } from '../../schema/index.js'
import type { NumberLike } from '../accepts.js'
import type { Feature } from '../feature.js'
import { asFloat32, asFloat64, numberKinds } from '../numeric/numbers.js'
import { QuantileSketch } from '../numeric/quantile-sketch.js'
import { areFinite, defineKind, definedParams, refuseFeature, requireFinite, requireInteger, type FromOption } from './define-kind.js'
import { nothingToFit } from './standardize.js'

/** Parameters of a `bucketize` feature. */
export type BucketizeParams = { readonly boundaries?: readonly number[]; readonly buckets?: number; readonly fill?: number }

/** What a `bucketize` feature learns, or was given: ascending float32 numbers. */
export type BucketizeState = { readonly boundaries: readonly number[] }

/** Options of {@link bucketize}: either `boundaries` or `buckets`. */
export type BucketizeOptions<From extends string | undefined> = FromOption<From> & {
  /** Stands for nulls. Default 0. */
  readonly fill?: number | undefined
} & (
    | {
        /** Where a bucket ends and the next begins: ascending, each in the upper bucket. */
        readonly boundaries: readonly number[]
        readonly buckets?: undefined
      }
    | {
        /** Number of buckets of about equal size; fewer where values repeat. */
        readonly buckets: number
        readonly boundaries?: undefined
      }
  )

/**
 * A number to the int32 index of its bucket: how many boundaries are not above it, as TensorFlow's `Bucketize` and Keras'
 * `Discretization`. Numbers and boundaries are compared as float32; NaN falls in the last bucket.
 *
 * With `buckets`, the boundaries are quantiles of the fitted column (exact up to 524,288 values; see `QuantileSketch`); NaN
 * and infinities do not count.
 */
export const bucketize = <const From extends string | undefined = undefined>(options: BucketizeOptions<From>): Feature<NumberLike, Int32, From, 'input'> => {
  const { boundaries, buckets, fill } = options
  if ((boundaries === undefined) === (buckets === undefined)) refuseFeature('bucketize takes either boundaries or buckets')
  requireInteger('bucketize', 'buckets', buckets, 2)
  requireFinite('bucketize', 'fill', fill)
  boundaries?.forEach((boundary, i) => {
    requireFinite('bucketize', `boundary ${i}`, boundary)
    if (i > 0 && !(Math.fround(boundaries[i - 1]!) < Math.fround(boundary))) {
      refuseFeature(`bucketize: the boundaries must ascend, and as float32 ${boundaries[i - 1]} is not below ${boundary}`)
    }
  })
  return { kind: 'bucketize', from: options.from as From, role: 'input', inner: undefined, params: definedParams({ boundaries, buckets, fill }) }
}

/** Number of boundaries that are not above the value; all of them for NaN. */
export const bucketOf = (boundaries: Float32Array, value: number): number => {
  let low = 0
  let high = boundaries.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (value < boundaries[middle]!) high = middle
    else low = middle + 1
  }
  return low
}

export const bucketizeKind = defineKind<BucketizeParams, BucketizeState>({
  kind: 'bucketize',
  takes: numberKinds,
  describe: ({ state }) => ({ output: field.int32(), cardinality: state.boundaries.length + 1 }),
  check: ({ fill }, { boundaries }) =>
    areFinite(fill ?? 0, ...boundaries) && boundaries.every((boundary, i) => i === 0 || boundaries[i - 1]! < boundary),
  derive: ({ params }) => ({ boundaries: (params.boundaries ?? []).map(Math.fround) }),
  analyze: ({ buckets }) => {
    if (buckets === undefined) return undefined
    const sketch = new QuantileSketch()
    return {
      update: (column) => {
        const values = asFloat64(column)
        for (let row = 0; row < values.length; row++) {
          const value = Math.fround(values[row]!)
          if (value - value === 0 && column.isValid(row)) sketch.add(value)
        }
      },
      finish: () => (sketch.count === 0 ? nothingToFit() : { boundaries: [...new Set(sketch.boundaries(buckets))] }),
    }
  },
  compile: ({ params, state }) => {
    const boundaries = Float32Array.from(state.boundaries)
    return (column) => {
      const values = asFloat32(column, params.fill ?? 0)
      const out = new Int32Array(values.length)
      for (let row = 0; row < out.length; row++) out[row] = bucketOf(boundaries, values[row]!)
      return fixedColumn(field.int32(), out)
    }
  },
})
