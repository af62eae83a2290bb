import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { field, fromRows, pipe, run, type Row } from '@millrace/core'
import { readCsv, readJson, writeCsv } from '@millrace/formats'
import { describePeer, runPython } from '../support/peer.js'

const schema = { id: field.int32(), name: field.utf8() }
const rows: Row<typeof schema>[] = Array.from({ length: 30_000 }, (_, id) => ({ id, name: `name ${(id * 7919) % 1000} é` }))

/** Files as jobs leave them, packed by Python's own modules and by Arrow's (the reference libraries of brotli and zstd). */
const WRITER = `
import gzip, json, os, sys, zlib
import pyarrow as pa
folder = sys.argv[1]
rows = [{'id': i, 'name': f'name {i * 7919 % 1000} é'} for i in range(30000)]
csv = ('id,name\\n' + ''.join(f"{row['id']},{row['name']}\\n" for row in rows)).encode()
lines = ''.join(json.dumps(row, ensure_ascii=False) + '\\n' for row in rows).encode()
array = json.dumps(rows).encode()

def packed(codec, data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as out:
        out.write(data)
    return sink.getvalue().to_pybytes()

packers = {
    'gz': gzip.compress,
    'deflate': zlib.compress,
    'br': lambda data: packed('brotli', data),
    'zst': lambda data: packed('zstd', data),
}
for ending, pack in packers.items():
    for name, data in {'csv': csv, 'jsonl': lines, 'json': array}.items():
        with open(os.path.join(folder, f'part-00000-8d1c.c000.{name}.{ending}'), 'wb') as out:
            out.write(pack(data))
for ending in ('gz', 'zst'):
    with open(os.path.join(folder, f'several.jsonl.{ending}'), 'wb') as out:
        for start in range(0, len(lines), 100000):
            out.write(packers[ending](lines[start:start + 100000]))
for level in (1, 9, 19):
    with open(os.path.join(folder, f'level-{level}.jsonl.zst'), 'wb') as out:
        out.write(pa.Codec('zstd', compression_level=level).compress(lines, asbytes=True))
`

/** Rows of what we wrote, as pyarrow reads them. */
const READER = `
import json, sys
import pyarrow as pa, pyarrow.csv
counts = {}
for name, codec in {'gz': 'gzip', 'br': 'brotli'}.items():
    with pa.CompressedInputStream(pa.OSFile(f'{sys.argv[1]}/ours.csv.{name}'), codec) as packed:
        table = pyarrow.csv.read_csv(packed)
    counts[name] = [table.num_rows, sum(table['id'].to_pylist()), table['name'].to_pylist()[-1]]
print(json.dumps(counts))
`

describePeer('packed text of Python and Arrow', 'pyarrow', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-packed-peer-'))
    await runPython(WRITER, { args: [folder] })
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it.each(['gz', 'deflate', 'br', 'zst'])('is read: .%s', async (ending) => {
    const part = (name: string): string => join(folder, `part-00000-8d1c.c000.${name}.${ending}`)
    for (const stream of [readCsv(part('csv'), { schema }), readJson(part('jsonl'), { schema }), readJson(part('json'), { schema })]) {
      let at = 0
      for await (const batch of stream) for (let i = 0; i < batch.numRows; i++) if (JSON.stringify(batch.row(i)) !== JSON.stringify(rows[at++])) throw new Error(`row ${at - 1} differs`)
      expect(at).toBe(rows.length)
    }
  })

  it.each(['several.jsonl.gz', 'several.jsonl.zst', 'level-1.jsonl.zst', 'level-9.jsonl.zst', 'level-19.jsonl.zst'])('in several members and of other levels is read: %s', async (name) => {
    let [count, sum] = [0, 0]
    for await (const batch of readJson(join(folder, name), { schema })) {
      count += batch.numRows
      for (let i = 0; i < batch.numRows; i++) sum += batch.row(i).id
    }
    expect([count, sum]).toEqual([30_000, (30_000 * 29_999) / 2])
  })

  it('is written so that Arrow reads it', async () => {
    for (const ending of ['gz', 'br']) await run(pipe(fromRows(schema, rows), writeCsv(join(folder, `ours.csv.${ending}`))))
    const due = [30_000, (30_000 * 29_999) / 2, rows.at(-1)!.name]
    expect(JSON.parse(await runPython(READER, { args: [folder] }))).toEqual({ gz: due, br: due })
  })
})
