import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, fromRows, pipe, run, type Row } from '@millrace/core'
import { readRawRecords, readTfRecords, writeTfRecords } from '@millrace/formats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'

const schema = {
  row: field.int64({ as: 'number' }),
  bool: field.bool(),
  int8: field.int8(),
  uint16: field.uint16(),
  uint32: field.uint32(),
  int64: field.int64(),
  uint64: field.uint64(),
  float32: field.float32(),
  float64: field.float64(),
  utf8: field.utf8(),
  binary: field.binary(),
  date: field.date(),
  timestamp: field.timestamp({ unit: 's' }),
  decimal: field.decimal(10, 2),
  word: field.dictionary(),
  maybeInt: field.nullable(field.int32()),
  maybeFloat: field.nullable(field.float32()),
  maybeText: field.nullable(field.utf8()),
  ints: field.list(field.int32()),
  floats: field.list(field.float32()),
  texts: field.list(field.utf8()),
  pair: field.list(field.float32(), { size: 2 }),
  maybeInts: field.nullable(field.list(field.int64())),
}

const count = 240
const rows: Row<typeof schema>[] = Array.from({ length: count }, (_, i) => ({
  row: i,
  bool: i % 3 === 0,
  int8: (i % 256) - 128,
  uint16: (i * 273) % 65536,
  uint32: (i * 17895697) % 4294967296,
  int64: BigInt.asIntN(64, BigInt(i - 120) ** 9n),
  uint64: BigInt.asUintN(64, BigInt(i) ** 9n - 1n),
  float32: Math.fround((i - 50) / 7),
  float64: (i - 50) / 7,
  utf8: i % 5 === 0 ? '' : `naïve 漢字 ${i}`,
  binary: Uint8Array.from({ length: i % 7 }, (__, k) => 255 - k - i % 99),
  date: new Date((i - 100) * 86_400_000),
  timestamp: new Date((i - 100) * 1000 * 12345),
  decimal: ((i - 100) / 4).toFixed(2),
  word: `w${i % 4}`,
  maybeInt: i % 2 === 0 ? null : -i,
  maybeFloat: i % 3 === 0 ? null : i / 8,
  maybeText: i % 4 === 0 ? null : `t${i}`,
  ints: Array.from({ length: i % 4 }, (__, k) => i * k - 100),
  floats: Array.from({ length: i % 3 }, (__, k) => i + k / 2),
  texts: Array.from({ length: i % 5 }, (__, k) => (k === 1 ? '' : `${i}.${k}`)),
  pair: [i, -i],
  maybeInts: i % 2 === 0 ? null : Array.from({ length: i % 6 }, (__, k) => BigInt(k)),
}))

const script = `
import base64, glob, json, os, sys
import tensorflow as tf
folder = sys.argv[1]
B, F, I = tf.string, tf.float32, tf.int64
kinds = json.loads(sys.stdin.read())
dtypes = {'bytes': B, 'float': F, 'int': I}

def spec(kind):
    dtype = dtypes[kind['kind']]
    if kind.get('size'): return tf.io.FixedLenFeature([kind['size']], dtype)
    return tf.io.VarLenFeature(dtype) if kind['list'] or kind['nullable'] else tf.io.FixedLenFeature([], dtype)

specs = {name: spec(kind) for name, kind in kinds.items()}

def shown(value):
    if isinstance(value, bytes): return base64.b64encode(value).decode()
    return value if isinstance(value, float) else str(value)

def values(files, packing):
    out = []
    for batch in tf.data.TFRecordDataset(files, compression_type=packing).batch(64):
        rows = [{} for _ in range(batch.shape[0])]
        for name, tensor in tf.io.parse_example(batch, specs).items():
            if isinstance(tensor, tf.SparseTensor):
                for row in rows: row[name] = []
                for at, value in zip(tensor.indices.numpy()[:, 0].tolist(), tensor.values.numpy().tolist()): rows[at][name].append(shown(value))
            else:
                for row, value in zip(rows, tensor.numpy().tolist()): row[name] = [shown(v) for v in (value if isinstance(value, list) else [value])]
        out += rows
    return sorted(out, key=lambda row: int(row['row'][0]))

result = {}
for packing in ['', 'GZIP', 'ZLIB']:
    name = packing.lower() or 'none'
    files = sorted(glob.glob(os.path.join(folder, f'ours-{name}-*')))
    result[name] = {'files': len(files), 'rows': values(files, packing)}
    with tf.io.TFRecordWriter(os.path.join(folder, f'theirs-{name}'), packing) as writer:
        for record in tf.data.TFRecordDataset(files, compression_type=packing):
            # Through the message, so that the bytes are TensorFlow's own.
            writer.write(tf.train.Example.FromString(record.numpy()).SerializeToString())
with tf.io.TFRecordWriter(os.path.join(folder, 'events')) as writer:
    for size in [0, 1, 100, 100000]: writer.write(bytes(i % 251 for i in range(size)))
print(json.dumps(result))
`

const integers = new Set(['bool', 'int8', 'uint16', 'uint32', 'int32', 'int64', 'uint64', 'date', 'timestamp'])
const kinds = Object.fromEntries(
  Object.entries(schema).map(([name, of]) => {
    const value = of.kind === 'list' ? of.params.item! : of
    const kind = integers.has(value.kind) ? 'int' : value.kind.startsWith('float') ? 'float' : 'bytes'
    return [name, { kind, list: of.kind === 'list', nullable: of.nullable, size: of.params.size }]
  }),
)

/** What TensorFlow should show of a value of ours. */
const due = (name: string, value: unknown): unknown[] => {
  if (value === null) return []
  const base64 = (bytes: string | Uint8Array): string => Buffer.from(bytes as string).toString('base64')
  return (Array.isArray(value) ? value : [value]).map((one: unknown) => {
    if (name === 'uint64') return String(BigInt.asIntN(64, one as bigint))
    if (name === 'date') return String(Number(one) / 86_400_000)
    if (name === 'timestamp') return String(Number(one) / 1000)
    if (typeof one === 'boolean') return one ? '1' : '0'
    if (typeof one === 'string' || one instanceof Uint8Array) return base64(one)
    return kinds[name]!.kind === 'float' ? Math.fround(one as number) : String(one)
  })
}

describePeer('TFRecords and tf.data', 'tensorflow', () => {
  let folder: string
  let seen: Record<string, { files: number; rows: Record<string, unknown>[] }>
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-peer-'))
    for (const compression of ['none', 'gzip', 'zlib'] as const) {
      await run(pipe(fromRows(schema, rows, { batchRows: 50 }), writeTfRecords(join(folder, `ours-${compression}`), { shards: 3, compression })))
    }
    seen = JSON.parse(await runPython(script, { args: [folder], input: JSON.stringify(kinds) })) as typeof seen
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  for (const compression of ['none', 'gzip', 'zlib'] as const) {
    it(`parse_example sees our values, of every kind, nulls and empty lists (${compression})`, () => {
      expect(seen[compression]!.files).toBe(3)
      expect(seen[compression]!.rows).toHaveLength(count)
      seen[compression]!.rows.forEach((row, index) => {
        expect(row).toEqual(Object.fromEntries(Object.entries(rows[index]!).map(([name, value]) => [name, due(name, value)])))
      })
    })

    it(`we read what TensorFlow wrote (${compression})`, async () => {
      const read: Row<typeof schema>[] = []
      for await (const batch of readTfRecords(join(folder, `theirs-${compression}`), { schema })) {
        for (let i = 0; i < batch.numRows; i++) read.push(batch.row(i))
      }
      read.sort((a, b) => a.row - b.row)
      expect(read).toEqual(rows.map((row) => ({ ...row, float64: Math.fround(row.float64) })))
    })
  }

  it('we read records that are no examples', async () => {
    const sizes: number[] = []
    for await (const batch of readRawRecords(join(folder, 'events'))) {
      for (const record of batch.columns.record.toArray()) {
        sizes.push(record.length)
        expect(record.every((byte, i) => byte === i % 251)).toBe(true)
      }
    }
    expect(sizes).toEqual([0, 1, 100, 100000])
  })
})
