import {
  ConversionError, DictionaryColumn, failure, fromUnknown, ListColumn, timeFormat, timestampMilliseconds,
  type Column, type Field, type FixedColumn, type MillraceError, type Schema,
} from '@millrace/core'

/** The text of the value in a row that is not null. */
export type RowText = (row: number) => string

const refuse = (use: string, name: string, field: Field): MillraceError =>
  failure({ tag: 'Schema', code: 'NO_TEXT_FORM', problem: `${use} has no form for ${field.kind}`, remedy: 'Leave the column out, or turn it into text first.', position: { column: name } })

const holdsBinary = (field: Field): boolean => field.kind === 'binary' || (field.params.item !== undefined && holdsBinary(field.params.item))

/** Checks that every column has a text form. @throws `Schema` for binary columns */
export const requireTextForms = (schema: Schema, use: string): void => {
  for (const [name, field] of Object.entries(schema)) if (holdsBinary(field)) throw refuse(use, name, field)
}

const instantText = (column: FixedColumn<unknown, BigInt64Array>): RowText => {
  const { params } = column.field
  const unit = params.unit ?? 'ms'
  const format = timeFormat(params)
  if (unit === 's' || unit === 'ms') return (row) => format.print(timestampMilliseconds(column.values, row, unit))
  // A Date ends at milliseconds; the digits below it come from the stored integer.
  const digits = unit === 'us' ? 3 : 6
  const whole = 10n ** BigInt(digits)
  return (row) => {
    const below = ((column.values[row]! % whole) + whole) % whole
    const text = format.print(timestampMilliseconds(column.values, row, unit), unit === 'us' ? Number(below) * 1000 : Number(below))
    if (params.format !== undefined) return text
    return below === 0n ? text : text.replace('Z', `${String(below).padStart(digits, '0')}Z`)
  }
}

/** The same texts; an error of one names the column. */
export const namedText = (name: string, text: RowText): RowText => (row) => {
  try {
    return text(row)
  } catch (error) {
    throw fromUnknown(error, { column: name })
  }
}

/** How a column's values are written as texts that its builder reads back: decimals and 64-bit integers to the last digit, times by their format. */
export const columnText = (column: Column): RowText => {
  if (column instanceof DictionaryColumn) return columnText(column.expand() as Column)
  switch (column.field.kind) {
    case 'timestamp':
      return instantText(column as unknown as FixedColumn<unknown, BigInt64Array>)
    case 'date': {
      const format = timeFormat(column.field.params, true)
      const { values } = column as unknown as FixedColumn<unknown, Int32Array>
      return (row) => format.print(values[row]! * 86_400_000)
    }
    case 'int64':
    case 'uint64': {
      const { values } = column as unknown as FixedColumn<unknown, BigInt64Array>
      return (row) => String(values[row]!)
    }
    case 'list':
      return columnJson(column)
    case 'float32':
    case 'float64':
      return (row) => {
        const value = column.get(row) as number
        return Object.is(value, -0) ? '-0' : String(value)
      }
    default:
      return (row) => String(column.get(row))
  }
}

const quotedKinds = /^(utf8|timestamp|date)$/

const listJson = (column: Column, itemJson: (items: Column) => RowText): RowText => {
  const { offsets, items } = column as unknown as { readonly offsets: Int32Array; readonly items: Column }
  const item = itemJson(items)
  return (row) => {
    const texts: string[] = []
    for (let i = offsets[row]!; i < offsets[row + 1]!; i++) texts.push(items.isValid(i) ? item(i) : 'null')
    return `[${texts.join(',')}]`
  }
}

/** How a column's values are written in JSON. @throws `BadRecord` (when called) for a float that JSON has no number for */
export const columnJson = (column: Column): RowText => {
  if (column instanceof DictionaryColumn) return columnJson(column.expand() as Column)
  if (column instanceof ListColumn) return listJson(column, columnJson)
  const text = columnText(column)
  if (quotedKinds.test(column.field.kind)) return (row) => JSON.stringify(text(row))
  if (column.field.kind !== 'float32' && column.field.kind !== 'float64') return text
  return (row) => {
    const value = column.get(row) as number
    if (Number.isFinite(value)) return text(row)
    throw failure({ tag: 'BadRecord', code: 'JSON_NOT_FINITE', problem: `JSON has no number for ${value}`, remedy: 'Replace it by null first.' })
  }
}

/** The same, but for times that have no text the integer that is stored, which a reader takes where the column has no format. */
const timeJson = (column: Column, json: RowText): RowText => (row) => {
  try {
    return json(row)
  } catch (error) {
    if (error instanceof ConversionError) return String((column as unknown as FixedColumn<unknown, BigInt64Array | Int32Array>).values[row])
    throw error
  }
}

/** As {@link columnJson}, of any value: bytes are a text of hexadecimal digits after `\\x`, as SQL has them, NaN and infinities texts, and times without a text integers. */
export const cellJson = (column: Column): RowText => {
  if (column instanceof DictionaryColumn) return cellJson(column.expand() as Column)
  if (column instanceof ListColumn) {
    const json = listJson(column, cellJson)
    return (row) => (column.isValid(row) ? json(row) : 'null')
  }
  const { kind } = column.field
  const text = kind === 'binary' ? (row: number) => JSON.stringify(`\\x${Buffer.from(column.get(row) as Uint8Array).toString('hex')}`) : undefined
  const json = text ?? (kind === 'timestamp' || kind === 'date' ? timeJson(column, columnJson(column)) : columnJson(column))
  return (row) => {
    if (!column.isValid(row)) return 'null'
    const value = kind === 'float32' || kind === 'float64' ? (column.get(row) as number) : 0
    return Number.isFinite(value) ? json(row) : JSON.stringify(String(value))
  }
}
