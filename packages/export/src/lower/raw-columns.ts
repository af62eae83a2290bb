import { failure, type Field, type FittedFeature } from '@millrace/core'
import type { DType, Shape } from '../graph/index.js'
import { featureLowering } from './features/index.js'
import type { MissingValue } from './features/feature-context.js'

/** A raw column as a graph takes it: one value a row, so its shape is `[batch]`. */
export interface RawColumn {
  readonly name: string
  readonly dtype: 'string' | 'int64' | 'float32'
  readonly shape: Shape
  /** What an absent value of a `tf.train.Example` stands for; `undefined` where one has to be there. */
  readonly missing: MissingValue
  /** Whether it may be null where the features were fitted. */
  readonly nullable: boolean
}

const dtypesByKind: Readonly<Record<string, RawColumn['dtype']>> = {
  utf8: 'string', binary: 'string', dictionary: 'string', decimal: 'string',
  float32: 'float32', float64: 'float32',
  bool: 'int64', int8: 'int64', int16: 'int64', int32: 'int64', int64: 'int64', uint8: 'int64', uint16: 'int64', uint32: 'int64', uint64: 'int64',
  date: 'int64', timestamp: 'int64',
}

/**
 * Dtype of a column in graphs and in tf.train.Example: text and bytes are strings, floats float32, all that is counted int64
 * (dates in days, timestamps in their own unit).
 *
 * @throws `Model` for lists
 */
export const rawDType = (name: string, field: Field): RawColumn['dtype'] => {
  const dtype = dtypesByKind[field.kind]
  if (dtype === undefined) {
    throw failure({ tag: 'Model', code: 'LOWER_COLUMN', problem: `the column "${name}" is of kind ${field.kind}, which a model cannot take as it is`, remedy: 'Take it apart into columns of single values first.' })
  }
  return dtype satisfies DType
}

/** The raw value that stands for a null of the feature's column. */
export const missingValue = (feature: FittedFeature): MissingValue => {
  const { inner } = feature
  return featureLowering(feature.kind)?.missing?.(feature, inner === undefined ? undefined : () => missingValue(inner))
}

/**
 * The raw columns that features take, each once, in the order of the features.
 *
 * A column that may be null gets the value that stands for a null in each of its features; where they do not agree on one, the
 * value has to be there.
 */
export const rawColumns = (features: readonly FittedFeature[]): readonly RawColumn[] => {
  const columns = new Map<string, RawColumn>()
  for (const feature of features) {
    const { from, input } = feature
    const missing = input.nullable ? missingValue(feature) : undefined
    const known = columns.get(from)
    const agreed = known === undefined || known.missing === missing ? missing : undefined
    columns.set(from, { name: from, dtype: rawDType(from, input), shape: [null], missing: agreed, nullable: input.nullable || known?.nullable === true })
  }
  return [...columns.values()]
}
