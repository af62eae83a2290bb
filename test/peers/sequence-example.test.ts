import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, fromRows, pipe, run, type Row } from '@millrace/core'
import { encodeFrame, readSequenceExamples, SequenceExampleDecoder, writeSequenceExamples } from '@millrace/formats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'

const context = { row: field.int64({ as: 'number' }), name: field.utf8(), tags: field.list(field.utf8()), pair: field.list(field.float32(), { size: 2 }) }
const featureLists = {
  f: field.list(field.float32()), i: field.list(field.int64()), t: field.list(field.utf8()),
  ff: field.list(field.list(field.float32())), ii: field.list(field.list(field.int64())), tt: field.list(field.list(field.utf8())),
  two: field.list(field.list(field.int64(), { size: 2 })),
}
const schema = { ...context, ...featureLists }

const many = <A>(count: number, make: (k: number) => A): A[] => Array.from({ length: count }, (_, k) => make(k))
const rows: Row<typeof schema>[] = many(150, (i) => ({
  row: i, name: i % 7 === 0 ? '' : `naïve 漢字 ${i}`, tags: many(i % 4, (k) => `t${k}`), pair: [i / 4, -i],
  f: many(i % 5, (k) => k / 8 - i), i: many(i % 3, (k) => BigInt.asIntN(64, BigInt(i - 75) ** 9n + BigInt(k))), t: many(i % 6, (k) => (k === 2 ? '' : `${i}.${k}`)),
  ff: many(i % 4, (k) => many((i + k) % 3, (n) => n - i / 2)), ii: many(i % 5, (k) => many((i * k) % 4, (n) => BigInt(n - k))), tt: many(i % 3, (k) => many(k + 1, (n) => `${n}`)),
  two: many(i % 4, (k) => [BigInt(k), BigInt(-i)]),
}))

type Bytes = readonly number[]
const varint = (value: number): Bytes => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)])
const message = (number: number, body: Bytes): Bytes => [number * 8 + 2, ...varint(body.length), ...body]
const key = (name: string): Bytes => message(1, [...Buffer.from(name)])
const list = (name: string, ...features: Bytes[]): Bytes => message(1, [...key(name), ...message(2, features.flatMap((feature) => message(1, feature)))])
const ints = (...values: number[]): Bytes => message(3, message(1, values.flatMap(varint)))
const unpacked = (...values: number[]): Bytes => message(3, values.flatMap((value) => [8, ...varint(value)]))
const named = (name: string, feature: Bytes): Bytes => message(1, message(1, [...key(name), ...message(2, feature)]))
const lists = (...entries: Bytes[]): Bytes => message(2, entries.flat())
const text: Bytes = message(1, message(1, [65]))

/** Records about which there could be two opinions: `c` is a context feature, `one` and `any` are feature lists. */
const odd: { readonly [what: string]: Bytes } = {
  'all there': [...named('c', ints(5)), ...lists(list('one', ints(1), ints(2)), list('any', ints(), ints(1, 2)))],
  'nothing at all': [],
  'no feature lists': named('c', ints(5)),
  'no context': lists(list('one', ints(1)), list('any', ints(1))),
  'one missing': [...named('c', ints(5)), ...lists(list('any', ints(1)))],
  'any missing': [...named('c', ints(5)), ...lists(list('one', ints(1)))],
  'without steps': [...named('c', ints(5)), ...lists(list('one'), list('any'))],
  'two values in a step': [...named('c', ints(5)), ...lists(list('one', ints(1, 2)), list('any'))],
  'no values in a step': [...named('c', ints(5)), ...lists(list('one', ints()), list('any'))],
  'an empty feature as a step': [...named('c', ints(5)), ...lists(list('one', ints(1), []), list('any'))],
  'an empty feature among any': [...named('c', ints(5)), ...lists(list('one', ints(1)), list('any', [], ints(7)))],
  'floats for integers': [...named('c', ints(5)), ...lists(list('one', ints(1)), list('any', message(2, message(1, [0, 0, 0, 0]))))],
  'texts for integers': [...named('c', ints(5)), ...lists(list('one', text), list('any'))],
  'text in the context': [...named('c', text), ...lists(list('one'), list('any'))],
  'two values in the context': [...named('c', ints(5, 6)), ...lists(list('one'), list('any'))],
  'unknown names': [...named('x', text), ...named('c', ints(5)), ...lists(list('y', text), list('one', ints(3)), list('any'))],
  'unknown fields': [...named('c', ints(5)), 0x18, 7, ...lists(list('one', ints(3)), list('any'))],
  'unpacked values': [...named('c', unpacked(5)), ...lists(list('one', unpacked(3)), list('any', unpacked(1, 2)))],
  'feature lists twice': [...named('c', ints(5)), ...lists(list('one', ints(3))), ...lists(list('any', ints(1)))],
  'cut short': [...named('c', ints(5)), ...lists(list('one', ints(3)), list('any'))].slice(0, -3),
}

const script = `
import base64, glob, json, os, sys
import tensorflow as tf
folder = sys.argv[1]
R = tf.io.RaggedFeature
context = {'row': tf.io.FixedLenFeature([], tf.int64), 'name': tf.io.FixedLenFeature([], tf.string), 'tags': R(tf.string), 'pair': tf.io.FixedLenFeature([2], tf.float32)}
S = tf.io.FixedLenSequenceFeature
sequence = {'f': S([], tf.float32), 'i': S([], tf.int64), 't': S([], tf.string), 'ff': R(tf.float32), 'ii': R(tf.int64), 'tt': R(tf.string), 'two': S([2], tf.int64)}

def shown(value):
    if isinstance(value, list): return [shown(v) for v in value]
    if isinstance(value, bytes): return base64.b64encode(value).decode()
    return value if isinstance(value, float) else str(value)

def values(files, packing):
    out = []
    for batch in tf.data.TFRecordDataset(files, compression_type=packing).batch(32):
        of_context, of_lists, lengths = tf.io.parse_sequence_example(batch, context, sequence)
        rows = [{} for _ in range(batch.shape[0])]
        for name, tensor in [*of_context.items(), *of_lists.items()]:
            for at, value in enumerate(tensor.to_list() if isinstance(tensor, tf.RaggedTensor) else tensor.numpy().tolist()):
                # Dense feature lists are padded to the longest of the batch.
                if name in ('f', 'i', 't', 'two'): value = value[:int(lengths[name][at])]
                rows[at][name] = shown(value)
        out += rows
    return sorted(out, key=lambda row: int(row['row']))

def feature(values):
    kind = tf.train.Feature()
    for value in values:
        if isinstance(value, float): kind.float_list.value.append(value)
        elif isinstance(value, int): kind.int64_list.value.append(value)
        else: kind.bytes_list.value.append(value.encode())
    return kind

def parsed(record, allow):
    try:
        a, b, lengths = tf.io.parse_sequence_example([record], {'c': tf.io.FixedLenFeature([], tf.int64)}, {'one': S([], tf.int64, allow_missing=allow), 'any': R(tf.int64)})
        return {'c': int(a['c'][0]), 'one': b['one'].numpy().tolist()[0][:int(lengths['one'][0])], 'any': b['any'].to_list()[0]}
    except tf.errors.InvalidArgumentError:
        return 'refused'

result = {}
for packing in ['', 'GZIP', 'ZLIB']:
    name = packing.lower() or 'none'
    files = sorted(glob.glob(os.path.join(folder, f'ours-{name}-*')))
    result[name] = {'files': len(files), 'rows': values(files, packing)}
    with tf.io.TFRecordWriter(os.path.join(folder, f'theirs-{name}'), packing) as writer:
        for record in tf.data.TFRecordDataset(files, compression_type=packing):
            # Through the message, so that the bytes are TensorFlow's own.
            writer.write(tf.train.SequenceExample.FromString(record.numpy()).SerializeToString())
odd = [record.numpy() for record in tf.data.TFRecordDataset(os.path.join(folder, 'odd'))]
result['odd'] = [parsed(record, False) for record in odd]
result['oddAllowed'] = [parsed(record, True) for record in odd]
print(json.dumps(result))
`

interface Seen {
  readonly files: number
  readonly rows: readonly Record<string, unknown>[]
}

/** What TensorFlow should show of a value of ours. */
const due = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(due)
  if (typeof value === 'string') return Buffer.from(value).toString('base64')
  return typeof value === 'bigint' ? String(value) : value
}

const parsed = (bytes: Bytes, allow: boolean): unknown => {
  const decoder = new SequenceExampleDecoder(
    { context: { c: field.int64({ as: 'number' }) }, featureLists: { one: field.list(field.int64({ as: 'number' })), any: field.list(field.list(field.int64({ as: 'number' }))) } },
    // A ragged feature that is missing is empty to TensorFlow; a dense one if it allows for that.
    { defaults: allow ? { one: [], any: [] } : { any: [] } },
  )
  try {
    decoder.decode(Uint8Array.from(bytes))
    return decoder.finish().row(0)
  } catch {
    return 'refused'
  }
}

describePeer('SequenceExamples and tf.io.parse_sequence_example', 'tensorflow', () => {
  let folder: string
  let seen: { readonly [compression: string]: Seen } & { readonly odd: readonly unknown[]; readonly oddAllowed: readonly unknown[] }
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-sequences-'))
    for (const compression of ['none', 'gzip', 'zlib'] as const) {
      await run(pipe(fromRows(schema, rows, { batchRows: 40 }), writeSequenceExamples(join(folder, `ours-${compression}`), { shards: 3, compression, featureLists: Object.keys(featureLists) })))
    }
    await writeFile(join(folder, 'odd'), Buffer.concat(Object.values(odd).map((record) => encodeFrame(Uint8Array.from(record)))))
    seen = JSON.parse(await runPython(script, { args: [folder] })) as typeof seen
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  for (const compression of ['none', 'gzip', 'zlib'] as const) {
    it(`TensorFlow sees our values, of every kind (${compression})`, () => {
      expect(seen[compression]!.files).toBe(3)
      expect(seen[compression]!.rows).toHaveLength(rows.length)
      seen[compression]!.rows.forEach((row, index) => {
        expect(row).toEqual(Object.fromEntries(Object.entries(rows[index]!).map(([name, value]) => [name, name === 'row' ? String(value) : due(value)])))
      })
    })

    it(`we read what TensorFlow wrote, and our own shards (${compression})`, async () => {
      for (const source of [`theirs-${compression}`, `ours-${compression}@3`]) {
        const read = [...(await run(pipe(readSequenceExamples(join(folder, source), { context, featureLists }), collect())))]
        expect(read.sort((a, b) => a.row - b.row)).toEqual(rows)
      }
    })
  }

  it.each(Object.keys(odd).map((what, index) => [what, index] as const))('is as strict as we are: %s', (what, index) => {
    expect(parsed(odd[what]!, false)).toEqual(seen.odd[index])
    expect(parsed(odd[what]!, true)).toEqual(seen.oddAllowed[index])
  })
})
