import { FixedColumn, ListColumn, fixedColumn, type Column } from '../../columns/index.js'
import { failure } from '../../errors/index.js'
import { field, type Field, type Float32, type Int32, type List } from '../../schema/index.js'
import type { IntegerLike } from '../accepts.js'
import type { Feature, FeatureRole, FittedFeature } from '../feature.js'
import { asFloat64, integerKinds } from '../numeric/numbers.js'
import { defineKind, isCount, refuseFeature, requireInteger, type FromOption } from './define-kind.js'

/** Parameters of a `oneHot` feature; without `depth` it is the inner feature's cardinality. */
export type OneHotParams = { readonly depth?: number }

/** Length of the lists that a `oneHot` feature makes. */
export type OneHotState = { readonly depth: number }

/** Options of {@link oneHot} over a raw column. */
export interface OneHotOptions<From extends string | undefined> extends FromOption<From> {
  /** Length of the lists. */
  readonly depth: number
}

/** The two ways to call {@link oneHot}. */
export interface OneHot {
  /** Over the index that a categorical feature makes. */
  <In extends Field, const From extends string | undefined>(feature: Feature<In, Int32, From, FeatureRole>): Feature<In, List<Float32>, From, 'input'>
  /** Over a raw column of integers. */
  <const From extends string | undefined = undefined>(options: OneHotOptions<From>): Feature<IntegerLike, List<Float32>, From, 'input'>
}

/**
 * An index to a float32 list of `depth` zeros with a 1 at the index, as `tf.one_hot`; all zeros for an index out of range
 * or a null.
 *
 * @example
 * features({ state: oneHot(vocabulary({ topK: 20 })), month: oneHot({ depth: 13 }) })
 */
export const oneHot: OneHot = (of: Feature<never, Int32> | OneHotOptions<string | undefined>): never => {
  if ('kind' in of) return { kind: 'oneHot', from: of.from, role: 'input', inner: of, params: {} } as never
  requireInteger('oneHot', 'depth', of.depth, 1)
  if (of.depth === undefined) refuseFeature('oneHot takes a categorical feature, or { depth }')
  return { kind: 'oneHot', from: of.from, role: 'input', inner: undefined, params: { depth: of.depth } } as never
}

/** A batch of 4,096 rows then takes 256 MiB; wider ones belong in an embedding. */
const MAX_DEPTH = 16_384

const depthOf = (params: OneHotParams, inner: FittedFeature | undefined): number => {
  const depth = params.depth ?? inner?.cardinality
  if (depth !== undefined && depth <= MAX_DEPTH) return depth
  if (depth !== undefined) {
    throw failure({ tag: 'Limit', code: 'TOO_WIDE', problem: `a one-hot list of ${depth} items is longer than ${MAX_DEPTH}`, remedy: 'Use embedding(), or a smaller topK.' })
  }
  throw failure({
    tag: 'Schema',
    code: 'NOT_CATEGORICAL',
    problem: `oneHot needs a categorical feature, and ${inner?.kind ?? 'its column'} is not one`,
    remedy: 'Give it vocabulary(…), bucketize(…), hashBucket(…), hourOfDay(…) or dayOfWeek(…), or a column of integers with { depth }.',
  })
}

/** Ones in a list column of `depth` float32 items a row. */
const oneHotColumn = (indices: Column, depth: number): ListColumn => {
  const values = indices instanceof FixedColumn && indices.values instanceof Int32Array ? indices.values : asFloat64(indices)
  const items = new Float32Array(values.length * depth)
  const offsets = new Int32Array(values.length + 1)
  for (let row = 0; row < values.length; row++) {
    offsets[row + 1] = (row + 1) * depth
    const index = values[row]!
    if (index >= 0 && index < depth && indices.isValid(row)) items[row * depth + index] = 1
  }
  return new ListColumn(field.list(field.float32(), { size: depth }) as never, offsets, fixedColumn(field.float32(), items), undefined)
}

export const oneHotKind = defineKind<OneHotParams, OneHotState>({
  kind: 'oneHot',
  takes: integerKinds,
  check: (_params, { depth }) => isCount(depth) && depth <= MAX_DEPTH,
  derive: ({ params, inner }) => ({ depth: depthOf(params, inner) }),
  describe: ({ state }) => ({ output: field.list(field.float32(), { size: state.depth }) }),
  compile: ({ state }, inner) => (column) => oneHotColumn(inner === undefined ? column : inner(column), state.depth),
})
