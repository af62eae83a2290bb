import { fixedColumn } from '../../columns/index.js'
import { field, type Float32 } from '../../schema/index.js'
import type { NumberLike } from '../accepts.js'
import type { Feature } from '../feature.js'
import { asFloat32, asFloat64, numberKinds } from '../numeric/numbers.js'
import { areFinite, defineKind, definedParams, requireFinite, type FromOption } from './define-kind.js'
import { nothingToFit, type FillParams } from './standardize.js'

/** What a `minMax` feature learns. */
export type MinMaxState = { readonly min: number; readonly max: number }

/** Options of {@link minMax}. */
export interface MinMaxOptions<From extends string | undefined> extends FromOption<From> {
  /** Stands for nulls. Default: the least value, which becomes 0. */
  readonly fill?: number | undefined
}

/**
 * A number to float32 `(x - min) / (max - min)`, as TensorFlow Transform's `scale_to_0_1`; the sigmoid of `x` where all
 * values of the fit are the same. Values outside the fitted range are not clipped. NaN and infinities do not count in the
 * fit.
 */
export const minMax = <const From extends string | undefined = undefined>(options: MinMaxOptions<From> = {}): Feature<NumberLike, Float32, From, 'input'> => {
  requireFinite('minMax', 'fill', options.fill)
  return { kind: 'minMax', from: options.from as From, role: 'input', inner: undefined, params: definedParams({ fill: options.fill }) }
}

export const minMaxKind = defineKind<FillParams, MinMaxState>({
  kind: 'minMax',
  takes: numberKinds,
  describe: () => ({ output: field.float32() }),
  check: ({ fill }, { min, max }) => areFinite(min, max, fill ?? 0),
  analyze: () => {
    let min = Infinity
    let max = -Infinity
    return {
      update: (column) => {
        const values = asFloat64(column)
        for (let row = 0; row < values.length; row++) {
          const value = values[row]!
          if (value - value !== 0 || !column.isValid(row)) continue
          if (value < min) min = value
          if (value > max) max = value
        }
      },
      finish: () => (min > max ? nothingToFit() : { min, max }),
    }
  },
  compile: ({ params, state }) => {
    const min = Math.fround(state.min)
    const range = Math.fround(Math.fround(state.max) - min)
    const fill = params.fill ?? state.min
    return (column) => {
      const values = asFloat32(column, fill)
      const out = new Float32Array(values.length)
      if (range > 0) for (let row = 0; row < out.length; row++) out[row] = Math.fround(values[row]! - min) / range
      else for (let row = 0; row < out.length; row++) out[row] = 1 / (1 + Math.exp(-values[row]!))
      return fixedColumn(field.float32(), out)
    }
  },
})
