import { failure, type Field } from '@millrace/core'

/** Kinds of a tf.train.Feature, by the field number of their list in feature.proto. */
export const BYTES = 1
export const FLOAT = 2
export const INT64 = 3
export type WireKind = typeof BYTES | typeof FLOAT | typeof INT64

/** Names of {@link WireKind} for people. */
export const wireKindNames: { readonly [kind: number]: string } = { [BYTES]: 'bytes_list', [FLOAT]: 'float_list', [INT64]: 'int64_list' }

const wireKinds: { readonly [kind: string]: WireKind } = {
  bool: INT64,
  int8: INT64,
  int16: INT64,
  int32: INT64,
  int64: INT64,
  uint8: INT64,
  uint16: INT64,
  uint32: INT64,
  // Stored as the signed integer of the same bits: tf.train.Example has no unsigned list.
  uint64: INT64,
  date: INT64,
  timestamp: INT64,
  float32: FLOAT,
  // tf.train.Example has no double list: values are rounded to float32.
  float64: FLOAT,
  utf8: BYTES,
  binary: BYTES,
  decimal: BYTES,
}

/** How a field is kept in a tf.train.Example. */
export interface FeatureShape {
  readonly wire: WireKind
  /** True for lists. */
  readonly list: boolean
  /** The field of one value. */
  readonly value: Field
}

/**
 * How a column is kept in a tf.train.Example: integers, booleans, dates and timestamps as `int64_list`, floats as `float_list`,
 * texts, bytes and decimals as `bytes_list`; dictionaries as their values.
 *
 * @throws `Schema` for kinds that it cannot hold, such as lists of lists
 */
export const featureShape = (name: string, field: Field): FeatureShape => {
  const item = field.kind === 'list' ? field.params.item! : field
  const value = item.kind === 'dictionary' ? item.params.item! : item
  const wire = wireKinds[value.kind]
  if (wire === undefined) {
    throw failure({
      tag: 'Schema',
      code: 'EXAMPLE_KIND_UNSUPPORTED',
      problem: `a ${field.kind === 'list' ? `list of ${value.kind}` : value.kind} cannot be kept in a tf.train.Example`,
      remedy: 'Leave the column out, or flatten it first.',
      position: { column: name },
    })
  }
  return { wire, list: field.kind === 'list', value }
}
