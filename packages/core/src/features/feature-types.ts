import type { Field, Float32, Int32, Schema } from '../schema/index.js'
import type { Mode } from '../stream/index.js'
import type { AnyFeature, Feature, FeatureRole } from './feature.js'

/**
 * Descriptions by name of the feature, which is also the name of the column it makes. Not of `Feature`s: as the expected
 * type of a call like `vocabulary()` that would hide what the call itself says of its raw column.
 */
export type FeatureMap = { readonly [name: string]: AnyFeature }

/** Name of the raw column that feature `K` takes. */
export type SourceOf<D extends FeatureMap, K extends keyof D> = D[K] extends { readonly from: infer From extends string } ? From : K

type InputOf<F extends AnyFeature> = F extends Feature<infer In, Field, string | undefined, FeatureRole> ? In : never
type OutputOf<F extends AnyFeature> = F extends Feature<never, infer Out, string | undefined, FeatureRole> ? Out : never

/** What a feature makes of a column: a numeric output that may be both follows the raw column. */
type Given<Out extends Field, Raw extends Field> = 'float32' | 'int32' extends Out['kind'] ? (Raw['kind'] extends 'float32' | 'float64' ? Float32 : Int32) : Out

type RawOf<D extends FeatureMap, S extends Schema, K extends keyof D> = SourceOf<D, K> extends keyof S ? S[SourceOf<D, K>] : Field

/** Schema of the columns that features make of a stream of schema `S`. */
export type FeatureColumns<D extends FeatureMap, S extends Schema> = { readonly [K in keyof D as K]: Given<OutputOf<D[K]>, RawOf<D, S, K>> } & {}

/** Names of the features that are not labels. */
export type InputNames<D extends FeatureMap> = { readonly [K in keyof D]: D[K]['role'] extends 'label' ? never : K }[keyof D]

/** Names of the features that are labels. */
export type LabelNames<D extends FeatureMap> = Exclude<keyof D, InputNames<D>>

type WhatFits<In extends Field> = 'utf8' extends In['kind'] ? 'text or an integer'
  : 'date' extends In['kind'] ? 'a timestamp or a date'
  : 'timestamp' extends In['kind'] ? 'a timestamp'
  : 'bool' extends In['kind'] ? 'a number or a bool'
  : 'float32' extends In['kind'] ? 'a number'
  : 'int32' extends In['kind'] ? 'an integer'
  : In['kind']

type Problem<D extends FeatureMap, S extends Schema, K extends keyof D & string> = SourceOf<D, K> extends infer C extends string
  ? C extends keyof S
    ? S[C] extends InputOf<D[K]> ? never : `feature "${K}" takes ${WhatFits<InputOf<D[K]>>}, and the column "${C}" is ${S[C]['kind']}`
    : `feature "${K}" needs the column "${C}", which the stream does not have`
  : never

/** What does not fit, as texts; `never` when all does. A stream without a known schema is checked when it is read. */
type Problems<D extends FeatureMap, S extends Schema> = string extends keyof S | keyof D ? never : { readonly [K in keyof D & string]: Problem<D, S, K> }[keyof D & string]

/** `unknown` for streams that the features can be applied to; else the reason, which no stream is assignable to. */
export type CanApply<D extends FeatureMap, S extends Schema> = [Problems<D, S>] extends [never] ? unknown : Problems<D, S>

/** As {@link CanApply}, for streams that are read once to fit and again to apply. */
export type CanFit<D extends FeatureMap, S extends Schema, M extends Mode> = 'once' extends M
  ? 'fit reads the stream once and apply reads it again, which this stream cannot: pipe it through cache() first'
  : CanApply<D, S>
