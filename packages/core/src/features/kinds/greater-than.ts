import { fixedColumn } from '../../columns/index.js'
import { field, type Int32 } from '../../schema/index.js'
import type { NumberLike } from '../accepts.js'
import type { Feature } from '../feature.js'
import { asFloat32, numberKinds } from '../numeric/numbers.js'
import { areFinite, defineKind, definedParams, requireFinite, type FromOption } from './define-kind.js'

/** Parameters of a `greaterThan` feature. */
export type GreaterThanParams = { readonly threshold: number; readonly fill?: number }

/** Options of {@link greaterThan}. */
export interface GreaterThanOptions<From extends string | undefined> extends FromOption<From> {
  /** Stands for nulls. Default 0. */
  readonly fill?: number | undefined
}

/**
 * int32 1 where the number is above the threshold, else 0; both are compared as float32, and NaN gives 0.
 *
 * @example
 * features({ late: label(greaterThan(15, { from: 'delay' })) })
 */
export const greaterThan = <const From extends string | undefined = undefined>(threshold: number, options: GreaterThanOptions<From> = {}): Feature<NumberLike, Int32, From, 'input'> => {
  requireFinite('greaterThan', 'threshold', threshold)
  requireFinite('greaterThan', 'fill', options.fill)
  return { kind: 'greaterThan', from: options.from as From, role: 'input', inner: undefined, params: definedParams({ threshold, fill: options.fill }) }
}

export const greaterThanKind = defineKind<GreaterThanParams, null>({
  kind: 'greaterThan',
  takes: numberKinds,
  describe: () => ({ output: field.int32(), cardinality: 2 }),
  check: ({ threshold, fill }) => areFinite(threshold, fill ?? 0),
  compile: ({ params }) => {
    const threshold = Math.fround(params.threshold)
    return (column) => {
      const values = asFloat32(column, params.fill ?? 0)
      const out = new Int32Array(values.length)
      for (let row = 0; row < out.length; row++) if (values[row]! > threshold) out[row] = 1
      return fixedColumn(field.int32(), out)
    }
  },
})
