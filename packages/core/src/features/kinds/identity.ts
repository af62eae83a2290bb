import { BoolColumn, fixedColumn, type Column } from '../../columns/index.js'
import { failure } from '../../errors/index.js'
import { field } from '../../schema/index.js'
import type { NumberOrBool, SameNumber } from '../accepts.js'
import type { Feature } from '../feature.js'
import { asFloat32, asFloat64, numberKinds } from '../numeric/numbers.js'
import { defineKind, definedParams, requireFinite, requireInteger, type FromOption } from './define-kind.js'

/** Parameters of an `identity` feature. */
export type IdentityParams = { readonly fill?: number }

/** Options of {@link identity}. */
export interface IdentityOptions<From extends string | undefined> extends FromOption<From> {
  /** Stands for nulls. Default 0. */
  readonly fill?: number | undefined
}

/**
 * The number as it is: float32 of floats, int32 of integers and bools (false 0, true 1). An integer outside int32 is an
 * error when it is met.
 */
export const identity = <const From extends string | undefined = undefined>(options: IdentityOptions<From> = {}): Feature<NumberOrBool, SameNumber, From, 'input'> => {
  requireFinite('identity', 'fill', options.fill)
  return { kind: 'identity', from: options.from as From, role: 'input', inner: undefined, params: definedParams({ fill: options.fill }) }
}

const isFloat = (kind: string): boolean => kind === 'float32' || kind === 'float64'

/** The column's integers as int32, with `fill` where a row is null. @throws `BadRecord` for one outside int32 */
const asInt32 = (column: Column, fill: number): Int32Array => {
  const values = asFloat64(column)
  const out = new Int32Array(values.length)
  for (let row = 0; row < out.length; row++) {
    const value = column.isValid(row) ? values[row]! : fill
    if (value < -2147483648 || value > 2147483647) {
      throw failure({ tag: 'BadRecord', code: 'OUT_OF_RANGE', problem: `${value} does not fit int32, which the model's inputs take`, remedy: 'Use hashBucket() or vocabulary() for ids, or standardize() for amounts.' })
    }
    out[row] = value
  }
  return out
}

export const identityKind = defineKind<IdentityParams, null>({
  kind: 'identity',
  takes: [...numberKinds, 'bool'],
  describe: ({ params, input }) => {
    if (!isFloat(input.kind)) requireInteger('identity', 'fill of an integer column', params.fill, -2147483648)
    return { output: isFloat(input.kind) ? field.float32() : field.int32() }
  },
  compile: ({ params, output }) => {
    const fill = params.fill ?? 0
    return (column) => {
      if (output.kind === 'float32') return fixedColumn(field.float32(), column instanceof BoolColumn ? Float32Array.from(asFloat64(column)) : asFloat32(column, fill))
      return fixedColumn(field.int32(), asInt32(column, fill))
    }
  },
})
