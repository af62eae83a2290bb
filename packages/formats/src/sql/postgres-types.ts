import type { SqlType } from './sql-type.js'

/** Object identifiers of the types whose values we know; arrays have their own. @see pg_type.dat in PostgreSQL's source */
const scalars: { readonly [oid: number]: SqlType } = {
  16: { is: 'bool', name: 'bool' }, 17: { is: 'bytes', name: 'bytea' },
  20: { is: 'integer', bits: 64, signed: true, name: 'int8' }, 21: { is: 'integer', bits: 16, signed: true, name: 'int2' }, 23: { is: 'integer', bits: 32, signed: true, name: 'int4' },
  26: { is: 'integer', bits: 32, signed: false, name: 'oid' },
  700: { is: 'float', name: 'float4' }, 701: { is: 'double', name: 'float8' },
  25: { is: 'text', name: 'text' }, 1042: { is: 'text', name: 'bpchar' }, 1043: { is: 'text', name: 'varchar' }, 19: { is: 'text', name: 'name' }, 18: { is: 'text', name: 'char' },
  114: { is: 'text', name: 'json' }, 3802: { is: 'text', name: 'jsonb' }, 2950: { is: 'text', name: 'uuid' }, 142: { is: 'text', name: 'xml' },
  1082: { is: 'date', name: 'date' }, 1114: { is: 'instant', zoned: false, name: 'timestamp' }, 1184: { is: 'instant', zoned: true, name: 'timestamptz' },
}

const NUMERIC = 1700

const arrays: { readonly [oid: number]: number } = {
  1000: 16, 1001: 17, 1016: 20, 1005: 21, 1007: 23, 1028: 26, 1021: 700, 1022: 701, 1009: 25, 1014: 1042, 1015: 1043, 1003: 19, 1002: 18, 199: 114, 3807: 3802, 2951: 2950, 143: 142,
  1182: 1082, 1115: 1114, 1185: 1184, 1231: NUMERIC,
}

/** `numeric(p, s)` by its modifier; a scale may be negative, or beyond the precision (PostgreSQL 15). */
const numeric = (modifier: number): SqlType => {
  if (modifier < 4) return { is: 'decimal', scale: 0, name: 'numeric' }
  const precision = ((modifier - 4) >> 16) & 0xffff
  const scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024
  const fits = precision <= 38 && scale >= 0 && scale <= precision
  return { is: 'decimal', precision: fits ? precision : undefined, scale, name: `numeric(${precision},${scale})` }
}

/** What `pg_type` says of a type that is not in the table. */
export interface ForeignType {
  readonly name: string
  /** `e` for an enumeration. */
  readonly kind: string
  /** The items' type, where it is an array. */
  readonly item: number | undefined
}

const foreign = (oid: number, types: ReadonlyMap<number, ForeignType>): SqlType => {
  const found = types.get(oid)
  if (found?.item !== undefined) {
    const item = postgresType(found.item, -1, types)
    return { is: 'list', item, name: `${item.name}[]` }
  }
  return { is: found?.kind === 'e' ? 'text' : 'other', name: found?.name ?? `type ${oid}` }
}

/** Whether a type must be looked up in `pg_type`. */
export const isForeign = (oid: number): boolean => scalars[oid] === undefined && arrays[oid] === undefined && oid !== NUMERIC

/** The type of a column by its object identifier and modifier. */
export const postgresType = (oid: number, modifier: number, types: ReadonlyMap<number, ForeignType>): SqlType => {
  if (oid === NUMERIC) return numeric(modifier)
  const scalar = scalars[oid]
  if (scalar !== undefined) return scalar
  const itemOid = arrays[oid]
  if (itemOid === undefined) return foreign(oid, types)
  const item = postgresType(itemOid, modifier, types)
  return { is: 'list', item, name: `${item.name}[]` }
}
