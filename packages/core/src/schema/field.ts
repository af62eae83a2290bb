import { failure, requireOneOf, requireOptions, type OptionRules } from '../errors/index.js'

/**
 * A column's description: a plain, JSON-able value whose type carries the JavaScript type of its values.
 *
 * `js` and `of` exist for the compiler only and are never set.
 *
 * @typeParam T - type of a value in a row
 * @typeParam Kind - name of the kind in the kind table
 * @typeParam IsNullable - `false`, or `boolean` for a column that may hold nulls
 * @typeParam Of - field of the items (lists) or of the values (dictionaries)
 */
export interface Field<T = unknown, Kind extends string = string, IsNullable extends boolean = boolean, Of = unknown> {
  readonly kind: Kind
  readonly nullable: IsNullable
  readonly js: T
  readonly of: Of
  /** Parameters of the kind (`unit`, `format`, `precision`, …), as plain data. */
  readonly params: FieldParams
}

/** Parameters that refine a kind. Each kind uses its own. */
export interface FieldParams {
  /** `int64`, `uint64`: how rows show a value. `number` is checked against ±2⁵³. Default `bigint`. */
  readonly as?: 'bigint' | 'number' | undefined
  /** `timestamp`: unit of the stored 64-bit integer; finer parts of texts are cut. Default `ms`. */
  readonly unit?: TimeUnit | undefined
  /**
   * `timestamp`, `date`: pattern of the text form. Default ISO 8601. Symbols as in Unicode TR 35: `yyyy`, `yy` (1969 to 2068), `MM`, `M` (one digit or two),
   * `MMM` (Jan to Dec), `dd`, `d`, `HH`, `H`, `hh` or `h` with `a` (AM, PM), `mm`, `ss`, `S` to `SSSSSSSSS`, and offsets from UTC, which win over the zone: `XXX`
   * (`+02:00` or `Z`), `XX` (`+0200`), `X` (`+02`). Other letters than T and Z are none, all else stands for itself. `epochSeconds` and `epochMilliseconds`
   * are numbers since 1970. Numbers of JSON are read by it as texts are; integers of binary formats are in the `unit`.
   */
  readonly format?: string | undefined
  /** `timestamp`: zone of texts that name none. `UTC` (default) or an IANA name. Values are stored in UTC. */
  readonly zone?: string | undefined
  /** `decimal`: total number of digits, 1 to 38. */
  readonly precision?: number | undefined
  /** `decimal`: digits after the point. */
  readonly scale?: number | undefined
  /** `list`: number of items when every list has the same. */
  readonly size?: number | undefined
  /** `list`: field of the items; `dictionary`: field of the values. */
  readonly item?: Field | undefined
}

/** Unit of a timestamp's stored integer. */
export type TimeUnit = 's' | 'ms' | 'us' | 'ns'

export interface Bool extends Field<boolean, 'bool', false> {}
export interface Int8 extends Field<number, 'int8', false> {}
export interface Int16 extends Field<number, 'int16', false> {}
export interface Int32 extends Field<number, 'int32', false> {}
export interface Int64 extends Field<bigint, 'int64', false> {}
/** 64-bit integer shown as a `number`; a value beyond ±2⁵³ is an error, never rounded. */
export interface Int64AsNumber extends Field<number, 'int64', false> {}
export interface Uint8 extends Field<number, 'uint8', false> {}
export interface Uint16 extends Field<number, 'uint16', false> {}
export interface Uint32 extends Field<number, 'uint32', false> {}
export interface Uint64 extends Field<bigint, 'uint64', false> {}
/** Unsigned 64-bit integer shown as a `number`; a value beyond 2⁵³ is an error, never rounded. */
export interface Uint64AsNumber extends Field<number, 'uint64', false> {}
export interface Float32 extends Field<number, 'float32', false> {}
export interface Float64 extends Field<number, 'float64', false> {}
export interface Utf8 extends Field<string, 'utf8', false> {}
export interface Binary extends Field<Uint8Array, 'binary', false> {}
/** Calendar date without a time, stored as days since 1970-01-01; rows show midnight UTC. A day beyond what a `Date` holds is an error when it is shown. */
export interface DateOnly extends Field<Date, 'date', false> {}
/** Instant, stored as a 64-bit integer of `unit` since 1970-01-01 UTC; rows show a `Date` (milliseconds). One beyond what a `Date` holds is an error when it is shown. */
export interface Timestamp extends Field<Date, 'timestamp', false> {}
/** Exact decimal number; rows show its text (`"12.30"`), stored as Arrow Decimal128. */
export interface Decimal extends Field<string, 'decimal', false> {}
/** Values stored once and referred to by index. */
export interface Dictionary<F extends Field = Utf8> extends Field<F['js'], 'dictionary', false, F> {}
export interface List<F extends Field = Field> extends Field<readonly F['js'][], 'list', false, F> {}
/** A field that may hold nulls. Every `F` is assignable to `Nullable<F>`. */
export interface Nullable<F extends Field = Field> extends Field<F['js'] | null, F['kind'], boolean, F['of']> {}

/** An ordered map of column names to fields. */
export type Schema = { readonly [name: string]: Field }

/** A row as TypeScript sees it. */
export type Row<S extends Schema> = { readonly [K in keyof S as K]: S[K]['js'] } & {}

const make = <F extends Field>(kind: F['kind'], params: FieldParams = {}): F =>
  ({ kind, nullable: false, params }) as unknown as F

const MAX_DECIMAL_DIGITS = 38

/** Checks how many digits a decimal has. @throws `Schema` DECIMAL_PRECISION */
export const requireDecimal = (params: FieldParams): FieldParams => {
  const { precision = MAX_DECIMAL_DIGITS, scale = 0 } = params
  const isWhole = Number.isInteger(precision) && Number.isInteger(scale)
  if (isWhole && precision >= 1 && precision <= MAX_DECIMAL_DIGITS && scale >= 0 && scale <= precision) return params
  throw failure({
    tag: 'Schema', code: 'DECIMAL_PRECISION', problem: `a decimal cannot have ${precision} digits, ${scale} of them after the point`,
    remedy: `Give a precision from 1 to ${MAX_DECIMAL_DIGITS} and a scale from 0 to the precision; field.utf8() keeps longer numbers as they are written.`,
  })
}

interface Int64Builder {
  (options: { readonly as: 'number' }): Int64AsNumber
  (options?: { readonly as?: 'bigint' | undefined }): Int64
}
interface Uint64Builder {
  (options: { readonly as: 'number' }): Uint64AsNumber
  (options?: { readonly as?: 'bigint' | undefined }): Uint64
}

/** Options of {@link field}.timestamp. */
export interface TimestampOptions {
  /** Unit of the stored integer. Finer parts of texts are cut, towards the past. Default `ms`. */
  readonly unit?: TimeUnit | undefined
  /** Text form, for example `yyyy/MM/dd HH:mm` or `M/d/yy h:mm a`: see {@link FieldParams.format}. Default ISO 8601. */
  readonly format?: string | undefined
  /**
   * Zone of texts that name none: `UTC` (default) or an IANA name. Of a local time that a change of clocks doubles it is the earlier instant; one that it
   * skips is moved past the gap.
   */
  readonly zone?: string | undefined
}

const rules: OptionRules<TimestampOptions> = { unit: 'any', format: 'text', zone: 'text' }

/** Parameters of a 64-bit integer. @throws `Usage` */
const wide = (kind: 'int64' | 'uint64', options: Pick<FieldParams, 'as'> | undefined): FieldParams => {
  requireOptions(`field.${kind}`, options, { as: 'any' })
  return { as: requireOneOf<'bigint' | 'number'>(`as of field.${kind}`, options?.as ?? 'bigint', ['bigint', 'number']) }
}

/** Parameters of a timestamp. @throws `Usage` */
const instant = (options: TimestampOptions): FieldParams => {
  requireOptions('field.timestamp', options, rules)
  return { ...options, unit: requireOneOf<TimeUnit>('unit of field.timestamp', options.unit ?? 'ms', ['s', 'ms', 'us', 'ns']) }
}

/**
 * Describes columns.
 *
 * @example
 * const flight = { origin: field.utf8(), delay: field.int32(), date: field.timestamp({ format: 'yyyy/MM/dd HH:mm' }) }
 */
export const field = {
  bool: (): Bool => make<Bool>('bool'),
  int8: (): Int8 => make<Int8>('int8'),
  int16: (): Int16 => make<Int16>('int16'),
  int32: (): Int32 => make<Int32>('int32'),
  /** Signed 64-bit integer: `bigint` in rows, or a checked `number` with `{ as: 'number' }`. */
  int64: ((options?: { as?: 'bigint' | 'number' | undefined }) => make('int64', wide('int64', options))) as Int64Builder,
  uint8: (): Uint8 => make<Uint8>('uint8'),
  uint16: (): Uint16 => make<Uint16>('uint16'),
  uint32: (): Uint32 => make<Uint32>('uint32'),
  /** Unsigned 64-bit integer: `bigint` in rows, or a checked `number` with `{ as: 'number' }`. */
  uint64: ((options?: { as?: 'bigint' | 'number' | undefined }) => make('uint64', wide('uint64', options))) as Uint64Builder,
  float32: (): Float32 => make<Float32>('float32'),
  float64: (): Float64 => make<Float64>('float64'),
  utf8: (): Utf8 => make<Utf8>('utf8'),
  binary: (): Binary => make<Binary>('binary'),
  /** Calendar date. Text form by `format` (default `yyyy-MM-dd`; see {@link FieldParams.format}); texts with a time of day other than midnight, or an offset, are refused. */
  date: (options: { readonly format?: string | undefined } = {}): DateOnly => make<DateOnly>('date', options),
  timestamp: (options: TimestampOptions = {}): Timestamp => make<Timestamp>('timestamp', instant(options)),
  /** Exact decimal of `precision` digits (1 to 38), `scale` of them after the point. @throws `Schema` for others, which 128 bits do not hold */
  decimal: (precision: number, scale: number): Decimal => make<Decimal>('decimal', requireDecimal({ precision, scale })),
  /** Dictionary-encoded values, utf8 unless told otherwise. */
  dictionary: <F extends Field = Utf8>(of: F = make<Utf8>('utf8') as unknown as F): Dictionary<F> =>
    make<Dictionary<F>>('dictionary', { item: of }),
  /** List of items; `size` says that every list has that many. */
  list: <F extends Field>(of: F, options: { readonly size?: number | undefined } = {}): List<F> =>
    make<List<F>>('list', { item: of, size: options.size }),
  /** The same field, with nulls allowed. */
  nullable: <F extends Field>(of: F): Nullable<F> => ({ ...of, nullable: true }) as unknown as Nullable<F>,
} as const
