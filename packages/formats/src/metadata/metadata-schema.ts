import type { Schema } from '@millrace/core'

/** Values that a feature is said to have. */
export type FeatureDomain =
  | { readonly is: 'int'; readonly min?: bigint | undefined; readonly max?: bigint | undefined; readonly isCategorical?: boolean | undefined }
  | { readonly is: 'float'; readonly min?: number | undefined; readonly max?: number | undefined }
  | { readonly is: 'string'; readonly values: readonly string[] }
  | { readonly is: 'bool' }

/** Features of which one has the places and one the values of a sparse tensor. */
export interface SparseFeature {
  readonly name: string
  readonly indices: readonly string[]
  readonly values: string
  /** Sizes of the dense tensor, where they are told. */
  readonly shape: readonly number[] | undefined
  /** Whether indices come in order. */
  readonly isSorted: boolean
}

/** What a `schema.pbtxt` of TensorFlow Metadata says of TFRecords. */
export interface MetadataSchema {
  /** For `readTfRecords`. */
  readonly schema: Schema
  /** By feature. */
  readonly domains: { readonly [feature: string]: FeatureDomain }
  readonly sparse: readonly SparseFeature[]
  /** What was left out, and what the schema does not tell. */
  readonly notes: readonly string[]
}
