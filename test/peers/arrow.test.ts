import * as arrow from 'apache-arrow'
import { batchFromArrow, batchFromRows, field, schemaFromArrow, type Row } from '@millrace/core'
import { expect, it } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'

/** Values as both sides can print them: 64-bit integers, decimals and bytes as text, times as milliseconds. */
const plain = (value: unknown): unknown => {
  if (typeof value === 'bigint') return `${value}`
  if (value instanceof Date) return value.getTime()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return Array.isArray(value) ? value.map(plain) : value
}
const plainRows = (rows: readonly object[]): unknown[] => rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])))

const prelude = `
import base64, datetime, decimal, io, json, sys
import pyarrow as pa
def plain(value):
    if isinstance(value, bool) or value is None or isinstance(value, (str, float)): return value
    if isinstance(value, int): return value
    if isinstance(value, decimal.Decimal): return str(value)
    if isinstance(value, bytes): return value.hex()
    if isinstance(value, datetime.datetime): return round(value.timestamp() * 1000)
    if isinstance(value, datetime.date): return (value - datetime.date(1970, 1, 1)).days * 86400000
    return [plain(item) for item in value]
def rows(table):
    wide = {field.name for field in table.schema if pa.types.is_int64(field.type) or pa.types.is_uint64(field.type)}
    return [{name: (str(v) if name in wide and v is not None else plain(v)) for name, v in row.items()} for row in table.to_pylist()]
`

describePeer('Arrow, as pyarrow reads and writes it', 'pyarrow', () => {
  it('we read what pyarrow wrote: every type we know, nulls, slices, large strings, dictionaries', async () => {
    const output = await runPython(`${prelude}
utc = datetime.timezone.utc
n = 13
def nulls(values): return [None if i % 5 == 2 else v for i, v in enumerate(values)]
table = pa.table({
    'b': pa.array(nulls([i % 2 == 0 for i in range(n)])),
    'i8': pa.array(nulls([i - 6 for i in range(n)]), pa.int8()),
    'u32': pa.array([4294967295 - i for i in range(n)], pa.uint32()),
    'i64': pa.array(nulls([(i - 6) * 2**59 for i in range(n)]), pa.int64()),
    'u64': pa.array([2**64 - 1 - i for i in range(n)], pa.uint64()),
    'f32': pa.array([i / 2 for i in range(n)], pa.float32()),
    'f64': pa.array(nulls([i / 3 for i in range(n)])),
    's': pa.array(nulls(['ü' * i for i in range(n)])),
    'large': pa.array(nulls(['x' * i for i in range(n)]), pa.large_string()),
    'bin': pa.array([bytes([i, 255]) for i in range(n)], pa.binary()),
    'day': pa.array([datetime.date(1960 + 5 * i, 2, 28) for i in range(n)]),
    'at': pa.array(nulls([datetime.datetime(2001, 1, 1 + i, 0, 0, 0, 1000 * i, tzinfo=utc) for i in range(n)]), pa.timestamp('ns', 'UTC')),
    'price': pa.array(nulls([decimal.Decimal(i - 6) * decimal.Decimal('1234567890123456.25') for i in range(n)]), pa.decimal128(25, 2)),
    'tag': pa.array(nulls(['t%d' % (i % 3) for i in range(n)])).dictionary_encode(),
    'l': pa.array(nulls([[None if j == 1 else j for j in range(i % 4)] for i in range(n)]), pa.list_(pa.int16())),
    'pair': pa.array(nulls([[i, i + 0.5] for i in range(n)]), pa.list_(pa.float32(), 2)),
})
sink = io.BytesIO()
with pa.ipc.new_file(sink, table.schema) as writer:
    writer.write_table(table)
    writer.write_table(table.slice(3, 7))
print(json.dumps({'arrow': base64.b64encode(sink.getvalue()).decode(), 'rows': rows(table) + rows(table.slice(3, 7))}))
`)
    const { arrow: bytes, rows: expected } = JSON.parse(output) as { arrow: string; rows: unknown[] }
    const table = arrow.tableFromIPC(Buffer.from(bytes, 'base64'))
    const schema = schemaFromArrow(table.schema)
    const read = table.batches.flatMap((part) => {
      const batch = batchFromArrow(schema, part)
      return Array.from({ length: batch.numRows }, (_, i) => batch.row(i))
    })
    expect(plainRows(read)).toEqual(expected)
  })

  it('pyarrow reads what we write, slices included', async () => {
    const schema = {
      b: field.nullable(field.bool()), i: field.int64(), f: field.float64(), s: field.nullable(field.utf8()), x: field.binary(), at: field.timestamp({ unit: 'us' }), day: field.date(),
      price: field.decimal(12, 3), tag: field.nullable(field.dictionary()), l: field.nullable(field.list(field.nullable(field.utf8()))),
    }
    const rows: Row<typeof schema>[] = Array.from({ length: 21 }, (_, n) => ({
      b: n % 4 === 3 ? null : n % 2 === 0, i: BigInt(n - 9) << 55n, f: n / 7, s: n % 3 === 1 ? null : 'é'.repeat(n), x: Uint8Array.of(n, 200), at: new Date(n * 1e10 - 1), day: new Date((n - 3) * 86_400_000),
      price: `${n - 10}.125`, tag: n % 5 === 4 ? null : `t${n % 2}`, l: n % 6 === 5 ? null : Array.from({ length: n % 3 }, (_, k) => (k === 1 ? null : `${n}`)),
    }))
    const batch = batchFromRows(schema, rows)
    const ipc = arrow.tableToIPC(new arrow.Table([batch.arrow, batch.slice(5, 18).arrow, batch.slice(3, 20).slice(1, 10).take(Int32Array.of(8, 0, 4)).arrow]))
    const output = await runPython(`${prelude}
table = pa.ipc.open_stream(base64.b64decode(sys.stdin.read())).read_all()
table.validate(full=True)
print(json.dumps({'rows': rows(table), 'types': {f.name: str(f.type) for f in table.schema}}))
`, { input: Buffer.from(ipc).toString('base64') })
    const read = JSON.parse(output) as { rows: unknown[]; types: unknown }
    expect(read.rows).toEqual(plainRows([...rows, ...rows.slice(5, 18), rows[12]!, rows[4]!, rows[8]!]))
    expect(read.types).toMatchObject({ b: 'bool', i: 'int64', at: 'timestamp[us, tz=UTC]', day: 'date32[day]', price: 'decimal128(12, 3)', tag: 'dictionary<values=string, indices=int32, ordered=0>' })
  })
})
