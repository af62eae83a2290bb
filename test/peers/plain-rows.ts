/** Values as both we and Python can print them: 64-bit integers, decimals and bytes as text, times as milliseconds. */
const plain = (value: unknown): unknown => {
  if (typeof value === 'bigint') return `${value}`
  if (value instanceof Date) return value.getTime()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return Array.isArray(value) ? value.map(plain) : value
}

export const plainRows = (rows: readonly object[]): unknown[] => rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])))

/** The same in Python: `rows(table)` of a table of pyarrow. */
export const plainTable = `
import datetime, decimal, json, math, sys
import numpy as np, pyarrow as pa
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
def plain(value):
    if value is None or isinstance(value, (bool, str, int)): return value
    if isinstance(value, (float, np.floating)): return float(value)
    if isinstance(value, decimal.Decimal): return str(value)
    if isinstance(value, bytes): return value.hex()
    if isinstance(value, datetime.datetime): return math.floor((value.replace(tzinfo=value.tzinfo or datetime.timezone.utc) - EPOCH).total_seconds() * 1000 + 1e-4)
    if isinstance(value, datetime.date): return (value - datetime.date(1970, 1, 1)).days * 86400000
    return [plain(item) for item in value]
def is_wide(type):
    if pa.types.is_dictionary(type): type = type.value_type
    return pa.types.is_int64(type) or pa.types.is_uint64(type)
def rows(table):
    wide = {field.name for field in table.schema if is_wide(field.type)}
    return [{name: (str(v) if name in wide and v is not None else plain(v)) for name, v in row.items()} for row in table.to_pylist()]
`
