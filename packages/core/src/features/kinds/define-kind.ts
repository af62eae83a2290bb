import { failure } from '../../errors/index.js'
import type { Json } from '../../stream/index.js'
import type { FeatureKind } from '../feature.js'

/** Forgets the parameters' and state's types of a kind, for the table of kinds. */
export const defineKind = <Params extends Json, State extends Json>(kind: FeatureKind<Params, State>): FeatureKind =>
  kind as unknown as FeatureKind

/** Where a feature's raw column is. */
export interface FromOption<From extends string | undefined> {
  /** Raw column. Default: the name that the feature has in `features({...})`. */
  readonly from?: From | undefined
}

/** An object without its undefined entries: parameters are plain JSON. */
export const definedParams = (params: { readonly [key: string]: Json | undefined }): Json =>
  Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined)) as Json

const usage = (problem: string, remedy?: string): never => {
  throw failure({ tag: 'Usage', code: 'BAD_FEATURE', problem, remedy })
}

/** Refuses an option that is not an integer of at least `least` (and at most 2³¹ - 1). */
export const requireInteger = (kind: string, option: string, value: number | undefined, least: number): void => {
  if (value === undefined || (Number.isInteger(value) && value >= least && value < 2 ** 31)) return
  usage(`${kind}: ${option} must be an integer of ${least} or more, not ${value}`)
}

/** Refuses an option that is not a finite number. */
export const requireFinite = (kind: string, option: string, value: number | undefined): void => {
  if (value === undefined || Number.isFinite(Math.fround(value))) return
  usage(`${kind}: ${option} must be a finite number within float32, not ${value}`)
}

/** Whether a value of JSON is an integer from 1 to 2³¹ - 1. */
export const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 1 && (value as number) < 2 ** 31

/** Whether values of JSON are finite numbers. */
export const areFinite = (...values: readonly unknown[]): boolean => values.every((value) => typeof value === 'number' && Number.isFinite(value))

export { usage as refuseFeature }
