import { failure, field, requireColumn, type Field, type MillraceError, type Schema, type TimeUnit } from '@millrace/core'

/**
 * What stored values mean. `name` is the type as the format calls it, for messages.
 */
export type ValueType =
  | { readonly is: 'bool' | 'float' | 'double' | 'half' | 'text' | 'bytes' | 'date' | 'null' | 'other'; readonly name: string }
  | { readonly is: 'integer'; readonly bits: number; readonly signed: boolean; readonly name: string }
  | { readonly is: 'instant'; readonly unit: TimeUnit; readonly name: string }
  | { readonly is: 'decimal'; readonly precision: number; readonly scale: number; readonly name: string }
  | { readonly is: 'list'; readonly item: ValueType; readonly itemNullable: boolean; readonly name: string }

/** The field that holds every value of a type; `undefined` for types that no kind of column holds. */
export const fieldOf = (type: ValueType, nullable: boolean): Field | undefined => {
  const inner = innerField(type)
  return inner === undefined || !nullable ? inner : field.nullable(inner)
}

const innerField = (type: ValueType): Field | undefined => {
  switch (type.is) {
    case 'bool':
      return field.bool()
    case 'float':
    case 'half':
      return field.float32()
    case 'double':
      return field.float64()
    case 'text':
      return field.utf8()
    case 'bytes':
      return field.binary()
    case 'date':
      return field.date()
    case 'instant':
      return field.timestamp({ unit: type.unit })
    case 'decimal':
      return type.scale < 0 || type.scale > 38 ? undefined : field.decimal(Math.max(1, type.scale, Math.min(38, type.precision)), type.scale)
    case 'integer':
      return integerFields[`${type.signed ? 'i' : 'u'}${type.bits}`]?.()
    case 'list': {
      const item = fieldOf(type.item, type.itemNullable)
      return item === undefined ? undefined : field.list(item)
    }
    default:
      return undefined
  }
}

const integerFields: { readonly [type: string]: () => Field } = {
  i8: field.int8, i16: field.int16, i32: field.int32, i64: () => field.int64(), u8: field.uint8, u16: field.uint16, u32: field.uint32, u64: () => field.uint64(),
}

const holders: { readonly [is: string]: RegExp } = {
  null: /./, bool: /^bool$/, float: /^float(32|64)$/, half: /^float(32|64)$/, double: /^float(32|64)$/, text: /^(utf8|binary)$/, bytes: /^(utf8|binary)$/, date: /^date$/,
  instant: /^timestamp$/, decimal: /^(decimal|float32|float64)$/, integer: /^(u?int(8|16|32|64)|float32|float64|decimal)$/, list: /^list$/,
}

/** Whether a field can take values of a type; each value is checked as it is taken. */
export const canHold = (target: Field, type: ValueType): boolean => {
  if (target.kind === 'dictionary') return type.is !== 'list' && canHold(target.params.item!, type)
  if (holders[type.is]?.test(target.kind) !== true) return false
  return type.is !== 'list' || canHold(target.params.item!, type.item)
}

/** The error for a column whose type in the file does not fit its field. */
export const wrongKind = (code: string, url: string, column: string, target: Field, type: ValueType): MillraceError => {
  const suggestion = fieldOf(type, false)
  return failure({
    tag: 'Schema', code, problem: `the column is ${type.name} in the file, which ${target.kind} cannot hold`,
    remedy: suggestion === undefined ? 'Leave the column out of the schema, or have it written as another type: no kind of column holds it.' : `Make it field.${suggestion.kind}(…) in the schema.`,
    position: { source: url, column },
  })
}

/** The field of a column that was asked for by name. @throws `Schema` where the file has none such, or one that no kind of column holds */
export const requireHeld = (code: string, url: string, own: Schema, name: string, found: ValueType | undefined): Field => {
  if (found === undefined || Object.hasOwn(own, name)) return requireColumn(own, name, url)
  throw failure({
    tag: 'Schema', code, problem: `the column is ${found.name} in the file, which no kind of column holds`,
    remedy: found.is === 'null' ? 'Give a schema with a nullable field for it, or leave the column out.' : 'Leave the column out, or have it written as another type.', position: { source: url, column: name },
  })
}
