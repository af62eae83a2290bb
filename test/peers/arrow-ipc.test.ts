import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, fromRows, pipe, run, type Row, type Schema, type Stream } from '@millrace/core'
import { arrowFileSchema, readArrow, writeArrow } from '@millrace/formats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'
import { plainRows, plainTable } from './plain-rows.js'

const rowsOf = async <S extends Schema>(stream: Stream<S>): Promise<Row<S>[]> => {
  const rows: Row<S>[] = []
  for await (const batch of stream) for (let i = 0; i < batch.numRows; i++) rows.push(batch.row(i))
  return rows
}

describePeer('Arrow files and streams, as pyarrow reads and writes them', 'pyarrow', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-arrow-'))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it('we read what pyarrow wrote: every type that a kind holds, files and streams, packed and plain, dictionaries replaced and added to', async () => {
    const output = await runPython(`${plainTable}
import pyarrow.ipc as ipc
folder = ${JSON.stringify(folder)}
utc = datetime.timezone.utc
n = 23
def nulls(values): return [None if i % 5 == 2 else v for i, v in enumerate(values)]
def table(k):
    return pa.table({
        'nothing': pa.nulls(n),
        'struct': pa.array([{'a': i} for i in range(n)]),
        'b': pa.array(nulls([(i + k) % 2 == 0 for i in range(n)])),
        'i8': pa.array(nulls([i - 6 for i in range(n)]), pa.int8()),
        'u16': pa.array([65535 - i for i in range(n)], pa.uint16()),
        'u32': pa.array([4294967295 - i for i in range(n)], pa.uint32()),
        'i64': pa.array(nulls([(i - 6) * 2**58 for i in range(n)]), pa.int64()),
        'u64': pa.array([2**64 - 1 - i for i in range(n)], pa.uint64()),
        'f16': pa.array(np.arange(n).astype(np.float16) / 4),
        'f32': pa.array([i / 2 for i in range(n)], pa.float32()),
        'f64': pa.array(nulls([i / 3 for i in range(n)])),
        's': pa.array(nulls(['ü' * i for i in range(n)])),
        'map': pa.array([[('a', 1)]] * n, pa.map_(pa.string(), pa.int32())),
        'large': pa.array(nulls(['x' * i for i in range(n)]), pa.large_string()),
        'view': pa.array(nulls(['view %d ' % k * i for i in range(n)]), pa.string_view()),
        'bview': pa.array(nulls([bytes([i]) * i for i in range(n)]), pa.binary_view()),
        'bin': pa.array([bytes([i, 255]) for i in range(n)], pa.binary()),
        'fsb': pa.array(nulls([bytes([i, 254, 3]) for i in range(n)]), pa.binary(3)),
        'day': pa.array([datetime.date(1960 + 2 * i, 2, 28) for i in range(n)]),
        'at': pa.array(nulls([datetime.datetime(2001, 1, 1 + i, 0, 0, 0, 1000 * i, tzinfo=utc) for i in range(n)]), pa.timestamp('ns', 'UTC')),
        'local': pa.array(nulls([datetime.datetime(2001, 1, 1 + i, tzinfo=utc) for i in range(n)]), pa.timestamp('s', 'Europe/Berlin')),
        'price': pa.array(nulls([decimal.Decimal(i - 6) * decimal.Decimal('1234567890123456.25') for i in range(n)]), pa.decimal128(25, 2)),
        'wide': pa.array(nulls([decimal.Decimal(i - 6) * decimal.Decimal('1234567890123456.25') for i in range(n)]), pa.decimal256(25, 2)),
        'tag': pa.array(nulls(['t%d-%d' % (k, i % 3) for i in range(n)])).dictionary_encode(),
        'tag8': pa.DictionaryArray.from_arrays(pa.array(nulls([i % 4 for i in range(n)]), pa.uint8()), pa.array(['a', None, 'b', 'c%d' % k])),
        'num': pa.DictionaryArray.from_arrays(pa.array([i % 3 for i in range(n)], pa.int64()), pa.array([7, 8, 9 + k], pa.int64())),
        'l': pa.array(nulls([[None if j == 1 else j for j in range(i % 4)] for i in range(n)]), pa.list_(pa.int16())),
        'll': pa.array(nulls([[[j] * j for j in range(i % 4)] for i in range(n)]), pa.large_list(pa.list_(pa.int32()))),
        'ls': pa.array(nulls([['a' * j for j in range(i % 3)] for i in range(n)]), pa.list_(pa.string_view())),
        'pair': pa.array(nulls([[i, i + 0.5] for i in range(n)]), pa.list_(pa.float32(), 2)),
        'ld': pa.ListArray.from_arrays(pa.array(list(range(0, 2 * n + 1, 2)), pa.int32()), pa.array(['x', 'y'] * n).dictionary_encode()),
    })
a, b = table(0), table(1)
def flat(t):
    struct, map = t['struct'].combine_chunks(), t['map'].combine_chunks()
    of = {'struct': {'struct.a': struct.flatten()[0]}, 'map': {'map.key': pa.ListArray.from_arrays(map.offsets, map.keys), 'map.value': pa.ListArray.from_arrays(map.offsets, map.items)}}
    return pa.table({name: column for c in t.column_names if c != 'nothing' for name, column in of.get(c, {c: t[c]}).items()})
for compression in (None, 'lz4', 'zstd'):
    with ipc.new_stream(f'{folder}/{compression}.arrows', a.schema, options=ipc.IpcWriteOptions(compression=compression)) as writer:
        for t in (a, b, b.slice(3, 9)): writer.write_table(t)
    with ipc.new_stream(f'{folder}/{compression}-delta.arrows', a.schema, options=ipc.IpcWriteOptions(compression=compression, emit_dictionary_deltas=True)) as writer:
        for t in (a, b): writer.write_table(t)
    with ipc.new_file(f'{folder}/{compression}.arrow', a.drop_columns(['tag8']).schema, options=ipc.IpcWriteOptions(compression=compression, unify_dictionaries=True)) as writer:
        writer.write_table(pa.concat_tables([a, b, b.slice(3, 9)]).drop_columns(['tag8']))
with ipc.new_stream(f'{folder}/legacy.arrows', a.schema, options=ipc.IpcWriteOptions(use_legacy_format=True)) as writer: writer.write_table(a)
with ipc.new_file(f'{folder}/empty.arrow', a.schema) as writer: pass
print(json.dumps({'a': rows(flat(a)), 'b': rows(flat(b)), 'c': rows(flat(b).slice(3, 9))}))
`)
    const { a, b, c } = JSON.parse(output) as { readonly [part: string]: readonly unknown[] }
    const read = async (name: string): Promise<unknown[]> => plainRows(await rowsOf(readArrow(join(folder, name), { batchRows: 10 })))
    for (const compression of ['None', 'lz4', 'zstd']) {
      expect(await read(`${compression}.arrows`), compression).toEqual([...a!, ...b!, ...c!])
      expect(await read(`${compression}-delta.arrows`), compression).toEqual([...a!, ...b!])
      // pyarrow cannot unify dictionaries that have nulls.
      expect(await read(`${compression}.arrow`), compression).toEqual([...a!, ...b!, ...c!].map((row) => Object.fromEntries(Object.entries(row as object).filter(([name]) => name !== 'tag8'))))
    }
    expect(await read('legacy.arrows')).toEqual(a)
    expect(await read('empty.arrow')).toEqual([])
    expect(Object.keys(await run(arrowFileSchema(join(folder, 'empty.arrow'))))).toEqual(Object.keys(a![0] as object))
  })

  const kinds = {
    b: field.nullable(field.bool()), i8: field.int8(), u32: field.nullable(field.uint32()), i64: field.nullable(field.int64()), u64: field.uint64(), f32: field.float32(),
    f64: field.nullable(field.float64()), s: field.nullable(field.utf8()), bin: field.nullable(field.binary()), day: field.nullable(field.date()),
    at: field.nullable(field.timestamp({ unit: 'us' })), price: field.nullable(field.decimal(30, 2)), tag: field.nullable(field.dictionary()),
    l: field.nullable(field.list(field.nullable(field.int16()))), pair: field.nullable(field.list(field.float32(), { size: 2 })), ll: field.list(field.list(field.utf8())),
    ld: field.list(field.dictionary()),
  }
  const some = <A>(i: number, value: A): A | null => (i % 5 === 2 ? null : value)
  const row = (i: number): Row<typeof kinds> => ({
    b: some(i, i % 2 === 0), i8: (i % 200) - 100, u32: some(i, 4294967295 - i), i64: some(i, BigInt(i - 6) * 2n ** 50n), u64: 2n ** 64n - 1n - BigInt(i), f32: i / 2, f64: some(i, i / 3),
    s: some(i, 'ü'.repeat(i % 9)), bin: some(i, Uint8Array.of(i, 255)), day: some(i, new Date(86_400_000 * (i - 3))), at: some(i, new Date(1000 * i - 5)),
    price: some(i, `${i - 6}.25`), tag: some(i, `t${i % 7}-${Math.floor(i / 40)}`), l: some(i, Array.from({ length: i % 4 }, (_, j) => (j === 1 ? null : j))), pair: some(i, [i, i + 0.5]),
    ll: Array.from({ length: i % 3 }, (_, j) => Array.from({ length: j }, () => `${i}`)), ld: [`x${i % 3}`, 'y'],
  })
  const rows = Array.from({ length: 200 }, (_, i) => row(i))

  it('pyarrow and Polars read what we wrote, and we read it back', async () => {
    for (const format of ['file', 'stream'] as const) {
      for (const compression of ['none', 'lz4', 'zstd'] as const) await run(pipe(fromRows(kinds, rows), writeArrow(join(folder, `ours-${compression}.${format}`), { format, compression, rowsPerBatch: 60 })))
      await run(pipe(fromRows(kinds, []), writeArrow(join(folder, `ours-empty.${format}`), { format })))
    }
    const output = await runPython(`${plainTable}
import pyarrow.ipc as ipc
folder = ${JSON.stringify(folder)}
out = {}
for name in ('none', 'lz4', 'zstd', 'empty'):
    f = ipc.open_file(f'{folder}/ours-{name}.file').read_all()
    s = ipc.open_stream(f'{folder}/ours-{name}.stream').read_all()
    f.validate(full=True); s.validate(full=True)
    assert f.equals(s), name
    out[name] = rows(f)
out['types'] = [str(field.type) for field in f.schema]
try:
    import polars as pl
    frame = pl.read_ipc(f'{folder}/ours-none.file', columns=['i8', 's', 'tag', 'f64'], use_pyarrow=False, memory_map=False)
    out['polars'] = frame.with_columns(pl.col('tag').cast(pl.String)).to_dicts()
except ImportError: pass
print(json.dumps(out))
`)
    const told = JSON.parse(output) as { readonly [name: string]: readonly { readonly [column: string]: unknown }[] }
    const due = plainRows(rows)
    expect(told['none']).toEqual(due)
    expect(told['lz4']).toEqual(due)
    expect(told['zstd']).toEqual(due)
    expect(told['empty']).toEqual([])
    expect(told['types']).toMatchObject({ 10: 'timestamp[us, tz=UTC]', 11: 'decimal128(30, 2)', 12: 'dictionary<values=string, indices=int32, ordered=0>', 14: 'fixed_size_list<item: float not null>[2]' })
    if (told['polars'] !== undefined) expect(told['polars']).toEqual(rows.map(({ i8, s, tag, f64 }) => ({ i8, s, tag, f64 })))
    for (const name of ['none.file', 'lz4.file', 'zstd.file', 'none.stream', 'lz4.stream', 'zstd.stream']) expect(await rowsOf(readArrow(join(folder, `ours-${name}`), { schema: kinds, batchRows: 33 }))).toEqual(rows)
  })
})
