import { fixedColumn } from '../../columns/index.js'
import { failure } from '../../errors/index.js'
import { field, type Float32 } from '../../schema/index.js'
import type { NumberLike } from '../accepts.js'
import type { Feature } from '../feature.js'
import { Moments, type MeanVariance } from '../numeric/moments.js'
import { asFloat32, asFloat64, numberKinds } from '../numeric/numbers.js'
import { areFinite, defineKind, definedParams, requireFinite, type FromOption } from './define-kind.js'

/** Parameters of a feature that fills nulls of a numeric column. */
export type FillParams = { readonly fill?: number }

/** Options of {@link standardize}. */
export interface StandardizeOptions<From extends string | undefined> extends FromOption<From> {
  /** Stands for nulls. Default: the mean, which becomes 0. */
  readonly fill?: number | undefined
}

/** Keras' epsilon: a standard deviation is never smaller. */
const LEAST_DEVIATION = 1e-7

/**
 * A number to float32 `(x - mean) / max(√variance, 1e-7)`, as Keras' `Normalization`; the variance is that of the
 * population. NaN and infinities do not count in the fit, as in TensorFlow Transform, and pass through the transform.
 */
export const standardize = <const From extends string | undefined = undefined>(options: StandardizeOptions<From> = {}): Feature<NumberLike, Float32, From, 'input'> => {
  requireFinite('standardize', 'fill', options.fill)
  return { kind: 'standardize', from: options.from as From, role: 'input', inner: undefined, params: definedParams({ fill: options.fill }) }
}

/** The error of a column without a value to fit on. */
export const nothingToFit = (): never => {
  throw failure({
    tag: 'Schema',
    code: 'NOTHING_TO_FIT',
    problem: 'the column has no finite number to fit on',
    remedy: 'Check that the stream has rows and that the column is read as you mean it.',
  })
}

const scaleOf = ({ mean, variance }: MeanVariance): { readonly center: number; readonly deviation: number } => ({
  center: Math.fround(mean),
  deviation: Math.fround(Math.max(Math.sqrt(variance), LEAST_DEVIATION)),
})

export const standardizeKind = defineKind<FillParams, MeanVariance>({
  kind: 'standardize',
  takes: numberKinds,
  describe: () => ({ output: field.float32() }),
  check: ({ fill }, { mean, variance }) => areFinite(mean, variance, fill ?? 0) && variance >= 0,
  analyze: () => {
    const moments = new Moments()
    return {
      update: (column) => moments.add(asFloat64(column), column.nullCount === 0 ? undefined : (row) => column.isValid(row)),
      finish: () => {
        const state = moments.result() ?? nothingToFit()
        const { center, deviation } = scaleOf(state)
        if (Number.isFinite(center) && Number.isFinite(deviation)) return state
        throw failure({ tag: 'Schema', code: 'OUT_OF_RANGE', problem: "the column's mean or deviation is beyond float32", remedy: 'Scale the column down first.' })
      },
    }
  },
  compile: ({ params, state }) => {
    const { center, deviation } = scaleOf(state)
    const fill = params.fill ?? state.mean
    return (column) => {
      const values = asFloat32(column, fill)
      const out = new Float32Array(values.length)
      for (let row = 0; row < out.length; row++) out[row] = Math.fround(values[row]! - center) / deviation
      return fixedColumn(field.float32(), out)
    }
  },
})
