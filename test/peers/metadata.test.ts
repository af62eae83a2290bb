import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, fromRows, pipe, run, sort } from '@millrace/core'
import { formatMetadataSchema, parseMetadataSchema, readRawRecords, readTfRecords, writeTfRecords } from '@millrace/formats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeSparkPython, runSparkPython } from '../support/spark.js'

const read = `
import sys, json
from google.protobuf import text_format, json_format
from tensorflow_metadata.proto.v0 import schema_pb2
schema = text_format.Parse(sys.argv[1], schema_pb2.Schema())
print(json.dumps([[f.name, schema_pb2.FeatureType.Name(f.type), f.WhichOneof('shape_type'), [d.size for d in f.shape.dim], f.value_count.min, f.value_count.max, f.presence.min_fraction, f.WhichOneof('domain_info'), f.int_domain.min, list(f.string_domain.value)] for f in schema.feature] + [[s.name, s.value_feature.name, s.is_sorted] for s in schema.sparse_feature]))`

const write = `
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
s = schema_pb2.Schema()
def feature(name, kind, **more):
    f = s.feature.add(name=name, type=kind)
    return f
f = feature('age', schema_pb2.INT); f.presence.min_fraction = 1; f.presence.min_count = 1; f.shape.dim.add(size=1); f.int_domain.min = -(2**63); f.int_domain.max = 2**63 - 1
f = feature('m\\u00fcn "x"\\n\\x01\\\\', schema_pb2.BYTES); f.domain = 'cities'; f.value_count.min = 1; f.value_count.max = 1
f = feature('pixels', schema_pb2.FLOAT); f.presence.min_fraction = 1; f.shape.dim.add(size=2); f.shape.dim.add(size=3); f.float_domain.min = 1e-7; f.float_domain.max = float('inf')
f = feature('flag', schema_pb2.INT); f.bool_domain.SetInParent(); f.shape.SetInParent(); f.presence.min_fraction = 1
f = feature('words', schema_pb2.BYTES); f.natural_language_domain.SetInParent(); f.value_count.min = 1
f = feature('old', schema_pb2.INT); f.lifecycle_stage = schema_pb2.DEPRECATED
f = feature('tree', schema_pb2.STRUCT); f.struct_domain.feature.add(name='in', type=schema_pb2.INT)
d = s.string_domain.add(name='cities'); d.value.extend(['M\\u00fcnchen', '\\u65e5\\u672c', "it's \\"q\\"\\t"])
p = s.sparse_feature.add(name='sp', is_sorted=True); p.index_feature.add(name='i'); p.value_feature.name = 'v'; p.dense_shape.dim.add(size=9)
s.annotation.tag.append('t'); s.default_environment.extend(['TRAINING', 'SERVING']); s.represent_variable_length_as_ragged = True
t = s.tensor_representation_group['']; t.tensor_representation['x'].varlen_sparse_tensor.column_name = 'words'
print(text_format.MessageToString(s)); print('@@'); print(text_format.MessageToString(s, as_utf8=True, as_one_line=True)); print('@@'); print(text_format.MessageToString(s, use_short_repeated_primitives=True, pointy_brackets=True))`

describeSparkPython('tensorflow-metadata', () => {
  test('reads the schemas that are written', () => {
    const schema = {
      'a "b"\\\n\u0001ü': field.int64(), s: field.nullable(field.utf8()), l: field.list(field.float32()), f: field.list(field.int64(), { size: 3 }), nf: field.nullable(field.list(field.float32(), { size: 2 })), b: field.bool(),
    }
    const text = formatMetadataSchema(schema, { domains: { s: { is: 'string', values: ['ü', '"\n'] }, f: { is: 'int', min: -(2n ** 63n) } }, sparse: [{ name: 'p', indices: ['i'], values: 'v', shape: [4], isSorted: true }] })
    expect(JSON.parse(runSparkPython(read, [text]).replaceAll('-9223372036854775808', '"least"'))).toEqual([
      ['a "b"\\\n\u0001ü', 'INT', 'shape', [], 0, 0, 1, null, 0, []],
      ['s', 'BYTES', 'value_count', [], 1, 1, 0, 'string_domain', 0, ['ü', '"\n']],
      ['l', 'FLOAT', 'value_count', [], 0, 0, 1, null, 0, []],
      ['f', 'INT', 'shape', [3], 0, 0, 1, 'int_domain', 'least', []],
      ['nf', 'FLOAT', 'value_count', [], 2, 2, 0, null, 0, []],
      ['b', 'INT', 'shape', [], 0, 0, 1, 'bool_domain', 0, []],
      ['p', 'v', true],
    ])
  })

  test('writes schemas that are read, in every form of its text', () => {
    const forms = runSparkPython(write, []).split('@@')
    expect(forms).toHaveLength(3)
    for (const form of forms) {
      expect(parseMetadataSchema(form)).toEqual({
        schema: { age: field.int64(), 'mün "x"\n\u0001\\': field.nullable(field.utf8()), pixels: field.list(field.float32(), { size: 6 }), flag: field.bool(), words: field.nullable(field.list(field.utf8())) },
        domains: {
          age: { is: 'int', min: -(2n ** 63n), max: 2n ** 63n - 1n, isCategorical: false }, 'mün "x"\n\u0001\\': { is: 'string', values: ['München', '日本', 'it\'s "q"\t'] },
          pixels: { is: 'float', min: expect.closeTo(1e-7, 12) as number, max: Infinity }, flag: { is: 'bool' },
        },
        sparse: [{ name: 'sp', indices: ['i'], values: 'v', shape: [9], isSorted: true }],
        notes: ['pixels has a shape of several dimensions, and its values come as one list.', 'old is left out: its stage is DEPRECATED.', 'tree is left out: its type is STRUCT.'],
      })
    }
  })
})

const beam = `
import sys, apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
folder = sys.argv[1]
options = PipelineOptions([])
with beam.Pipeline(runner=FnApiRunner(), options=options) as p:
    records = p | beam.io.ReadFromTFRecord(folder + '/ours-*', validate=True)
    records | 'plain' >> beam.io.WriteToTFRecord(folder + '/beam', num_shards=3)
    records | 'packed' >> beam.io.WriteToTFRecord(folder + '/packed', file_name_suffix='.tfrecord.gz', num_shards=2)`

describeSparkPython("Beam's TFRecordIO", () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-beam-'))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  test('reads what is written and writes what is read', async () => {
    const schema = { id: field.int64(), name: field.utf8() }
    const rows = Array.from({ length: 20 }, (_, i) => ({ id: BigInt(i), name: `ü${i}` }))
    await run(pipe(fromRows(schema, rows), writeTfRecords(join(folder, 'ours'), { shards: 2 })))
    runSparkPython(beam, [folder])
    for (const source of ['beam-*', 'beam@3', 'beam@*', 'packed-*.tfrecord.gz']) expect(await run(pipe(readTfRecords(join(folder, source), { schema }), sort('id'), collect()))).toEqual(rows)
    const shard = readdirSync(folder).find((name) => name === 'beam-00001-of-00003')!
    rmSync(join(folder, shard))
    await expect(run(pipe(readRawRecords(join(folder, 'beam-*')), collect()))).rejects.toMatchObject({ _tag: 'NotFound', code: 'MISSING_SHARD', position: { source: join(folder, shard) } })
  }, 240_000)
})
