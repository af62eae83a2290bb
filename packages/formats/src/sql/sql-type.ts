import { failure, field, type Field, type MillraceError } from '@millrace/core'

/** What the values of a result's column mean, whatever the server calls it. `json` is nested, and of a shape that the server does not tell. */
export type SqlType =
  | { readonly is: 'bool' | 'float' | 'double' | 'text' | 'json' | 'bytes' | 'date' | 'other' | 'none'; readonly name: string }
  | { readonly is: 'integer'; readonly bits: 8 | 16 | 32 | 64; readonly signed: boolean; readonly name: string }
  /** `precision` is absent where the server does not say it, or where it is more than 38. */
  | { readonly is: 'decimal'; readonly precision?: number | undefined; readonly scale: number; readonly name: string }
  /** `zoned` values are instants; the others are wall-clock times, which belong to no zone. */
  | { readonly is: 'instant'; readonly zoned: boolean; readonly name: string }
  /** Arrays as the server writes them: PostgreSQL's way unless it is said. */
  | { readonly is: 'list'; readonly item: SqlType; readonly syntax?: 'json' | undefined; readonly name: string }

/** A column of a result. */
export interface SqlColumn {
  readonly name: string
  readonly type: SqlType
  /** False only where the server says that no value can be null. */
  readonly nullable: boolean
}

/** The field that holds every value of a column; `undefined` for types that no kind of column holds. */
export const fieldOf = ({ type, nullable }: Omit<SqlColumn, 'name'>): Field | undefined => {
  const inner = innerField(type)
  return inner === undefined || !nullable ? inner : field.nullable(inner)
}

const innerField = (type: SqlType): Field | undefined => {
  switch (type.is) {
    case 'bool':
      return field.bool()
    case 'float':
      return field.float32()
    case 'double':
      return field.float64()
    case 'bytes':
      return field.binary()
    case 'date':
      return field.date()
    case 'instant':
      return field.timestamp({ unit: 'us' })
    case 'integer':
      return integerFields[`${type.signed ? 'i' : 'u'}${type.bits}`]!()
    case 'decimal':
      return type.precision === undefined ? field.utf8() : field.decimal(type.precision, type.scale)
    case 'list': {
      const item = fieldOf({ type: type.item, nullable: true })
      return item === undefined ? undefined : field.list(item)
    }
    case 'none':
      return undefined
    default:
      return field.utf8()
  }
}

const integerFields: { readonly [type: string]: () => Field } = {
  i8: field.int8, i16: field.int16, i32: field.int32, i64: () => field.int64(), u8: field.uint8, u16: field.uint16, u32: field.uint32, u64: () => field.uint64(),
}

const holders: { readonly [is: string]: RegExp } = {
  bool: /^(bool|u?int\d+)$/, integer: /^(bool|u?int\d+|float\d+|decimal|utf8)$/, decimal: /^(decimal|float\d+|u?int\d+|utf8)$/, float: /^float\d+$/, double: /^float\d+$/,
  text: /^(?!binary$)/, other: /^utf8$/, json: /^(utf8|list)$/, bytes: /^binary$/, date: /^(date|timestamp)$/, instant: /^timestamp$/, list: /^list$/, none: /^$/,
}

/** Whether a field can take values of a type; each value is checked as it is taken. */
export const canHold = (target: Field, type: SqlType): boolean => {
  if (target.kind === 'dictionary') return type.is !== 'list' && type.is !== 'json' && canHold(target.params.item!, type)
  if (!holders[type.is]!.test(target.kind)) return false
  if (type.is === 'json' && target.kind === 'list') return canHold(target.params.item!, { is: 'text', name: 'item' })
  return type.is !== 'list' || canHold(target.params.item!, type.item)
}

/** The error for a column whose type on the server does not fit its field, or, without a field, any kind. */
export const wrongKind = (source: string, column: SqlColumn, target: Field | undefined): MillraceError => {
  const suggestion = innerField(column.type)
  return failure({
    tag: 'Schema', code: 'SQL_KIND', problem: `the column is ${column.type.name} on the server, which ${target === undefined ? 'no kind of column holds' : `${target.kind} cannot hold`}`,
    remedy: suggestion === undefined ? 'Turn it into text in the query, or leave it out.' : `Make it field.${suggestion.kind}(…) in the schema, or cast it in the query.`,
    position: { source, column: column.name },
  })
}
