import type { Field, Int32, Float32, Utf8 } from '../schema/index.js'

/*
 * Fields that features take, as the compiler sees them. One field with several kinds says as much as a union of fields and
 * keeps hovers and errors short.
 */

type IntegerKind = 'int8' | 'int16' | 'int32' | 'int64' | 'uint8' | 'uint16' | 'uint32' | 'uint64'

/** Text, or an integer by its decimal text. */
export type TextLike =
  | Field<string | number | bigint | null, 'utf8' | IntegerKind, boolean>
  | Field<string | null, 'dictionary', boolean, Utf8>
/** Any integer or float. */
export type NumberLike = Field<number | bigint | null, IntegerKind | 'float32' | 'float64', boolean>
/** Any integer, float or bool. */
export type NumberOrBool = Field<number | bigint | boolean | null, IntegerKind | 'float32' | 'float64' | 'bool', boolean>
/** Any integer. */
export type IntegerLike = Field<number | bigint | null, IntegerKind, boolean>
/** A point in time. */
export type TimestampLike = Field<Date | null, 'timestamp', boolean>
/** A day, or a point in time. */
export type DayLike = Field<Date | null, 'timestamp' | 'date', boolean>
/** int32 of integers and bools, float32 of floats. */
export type SameNumber = Int32 | Float32
