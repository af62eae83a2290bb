import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'
import { beforeAll, describe, expect, test } from 'vitest'
import { dtypeNumbers, dtypes, ops, type ArgDef, type AttrDef } from '@millrace/export'
import { describePeer, runPython } from '../support/peer.js'

const protoFolder = fileURLToPath(new URL('../../packages/export/src/proto/', import.meta.url))

const script = `
import json, os, re, sys
from google.protobuf.descriptor import FieldDescriptor as F
from google.protobuf.json_format import MessageToDict
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2, named_tensor_pb2, saved_model_pb2, saver_pb2, tensor_bundle_pb2, tensorflow_server_pb2
from tensorflow.core.framework import device_attributes_pb2
from tensorflow.core.util import event_pb2
from tensorflow.core.example import example_pb2
from tensorflow.python.framework import op_def_registry
import tensorflow as tf

pool = saved_model_pb2.DESCRIPTOR.pool
types = {number: name[5:].lower() for name, number in vars(F).items() if name.startswith('TYPE_')}

def kind(field):
    if field.enum_type: return field.enum_type.full_name
    if field.message_type: return field.message_type.full_name
    return types[field.type]

def describe(field):
    entry = field.message_type if field.message_type and field.message_type.GetOptions().map_entry else None
    if entry: return {'number': field.number, 'label': 'map', 'type': '%s,%s' % tuple(kind(f) for f in entry.fields)}
    return {'number': field.number, 'label': 'repeated' if field.is_repeated else 'one', 'type': kind(field),
            'oneof': field.containing_oneof is not None}

asked = json.load(sys.stdin)
messages = {name: {f.name: describe(f) for f in pool.FindMessageTypeByName(name).fields} for name in asked['messages']}
enums = {name: {v.name: v.number for v in pool.FindEnumTypeByName(name).values} for name in asked['enums']}
ops = {name: MessageToDict(op_def_registry.get(name), preserving_proto_field_name=True) for name in asked['ops']}
dtypes = {name: int(getattr(tf.dtypes, name).as_datatype_enum) for name in asked['dtypes']}

# The wheel has no descriptors of the session protocol; its C++ header has names and numbers.
header = open(os.path.join(os.path.dirname(tf.__file__), 'include/tensorflow/core/protobuf/master.pb.h')).read()
classes = re.findall(r'^class (?:\\w+\\s+)?(\\w+) final\\b(.*?)^};', header, re.S | re.M)
master = {name: {re.sub('(?<!^)([A-Z])', r'_\\1', field).lower(): int(number) for field, number in re.findall(r'k(\\w+)FieldNumber = (\\d+)', body)} for name, body in classes}
print(json.dumps({'master': master, 'messages': messages, 'enums': enums, 'ops': ops, 'dtypes': dtypes}))
`

interface TheirOp {
  input_arg?: TheirArg[]
  output_arg?: TheirArg[]
  attr?: { name: string; type: string; default_value?: TheirValue; allowed_values?: TheirValue; minimum?: string }[]
  is_stateful?: boolean
}
interface TheirArg {
  name: string
  type?: string
  type_attr?: string
  number_attr?: string
  type_list_attr?: string
}
interface TheirValue {
  s?: string
  i?: string
  f?: number
  b?: boolean
  type?: string
  shape?: { unknown_rank?: boolean }
  list?: { type?: string[]; i?: string[] }
}
interface Theirs {
  master: Record<string, Record<string, number>>
  messages: Record<string, Record<string, { number: number; label: string; type: string; oneof?: boolean }>>
  enums: Record<string, Record<string, number>>
  ops: Record<string, TheirOp>
  dtypes: Record<string, number>
}

const dtypeEnum: Record<string, string> = {
  DT_FLOAT: 'float32', DT_DOUBLE: 'float64', DT_INT32: 'int32', DT_UINT8: 'uint8', DT_INT16: 'int16', DT_INT8: 'int8', DT_STRING: 'string',
  DT_INT64: 'int64', DT_BOOL: 'bool', DT_BFLOAT16: 'bfloat16', DT_UINT16: 'uint16', DT_HALF: 'float16', DT_RESOURCE: 'resource',
  DT_VARIANT: 'variant', DT_UINT32: 'uint32', DT_UINT64: 'uint64',
}

describePeer('protos and op table against TensorFlow', 'tensorflow', () => {
  const ours = new protobuf.Root()
  ours.resolvePath = (_origin, target) => (target.startsWith('google/') ? target : `${protoFolder}${target}`)
  ours.loadSync(readdirSync(protoFolder).filter((name) => name.endsWith('.proto')), { keepCase: true }).resolveAll()
  const messages: protobuf.Type[] = []
  const protocol: protobuf.Type[] = []
  const enums: protobuf.Enum[] = []
  const walk = (namespace: protobuf.NamespaceBase): void => {
    for (const nested of namespace.nestedArray) {
      if (nested instanceof protobuf.Type) (nested.filename?.endsWith('master.proto') === true ? protocol : messages).push(nested)
      if (nested instanceof protobuf.Enum) enums.push(nested)
      if (nested instanceof protobuf.Namespace) walk(nested)
    }
  }
  walk(ours.lookup('tensorflow') as protobuf.Namespace)
  const name = (object: protobuf.ReflectionObject): string => object.fullName.slice(1)

  let theirs: Theirs
  beforeAll(async () => {
    const input = JSON.stringify({
      messages: messages.map(name), enums: enums.map(name), ops: Object.keys(ops),
      dtypes: dtypes.map((dtype) => (dtype === 'float16' ? 'half' : dtype)),
    })
    theirs = JSON.parse(await runPython(script, { input })) as Theirs
  })

  test('there are messages to compare', () => {
    expect(messages.length).toBeGreaterThan(40)
  })

  test.each(messages.map((message) => [name(message), message] as const))('message %s', (fullName, message) => {
    const expected = theirs.messages[fullName] ?? {}
    for (const field of message.fieldsArray) {
      const type = field.resolvedType === null ? field.type : name(field.resolvedType)
      const actual =
        field instanceof protobuf.MapField
          ? { number: field.id, label: 'map', type: `${field.keyType},${type}` }
          : { number: field.id, label: field.repeated ? 'repeated' : 'one', type, oneof: field.partOf !== null }
      expect({ [field.name]: actual }).toEqual({ [field.name]: expected[field.name] })
    }
  })

  test.each(protocol.map((message) => [message.name, message] as const))('message %s of the session protocol', (name, message) => {
    expect(theirs.master[name]).toMatchObject(Object.fromEntries(message.fieldsArray.map((field) => [field.name, field.id])))
  })

  test.each(enums.map((one) => [name(one), one] as const))('enum %s', (fullName, one) => {
    expect(theirs.enums[fullName]).toMatchObject(one.values)
  })

  test('numbers of dtypes', () => {
    for (const dtype of dtypes) expect(theirs.dtypes[dtype === 'float16' ? 'half' : dtype]).toBe(dtypeNumbers[dtype])
  })

  describe('ops', () => {
    const known = (types: readonly string[] | undefined): string[] => (types ?? []).flatMap((type) => dtypeEnum[type] ?? []).sort()

    const arg = (theirArg: TheirArg): object => ({
      name: theirArg.name,
      type:
        theirArg.type_list_attr !== undefined
          ? { list: theirArg.type_list_attr }
          : theirArg.type_attr !== undefined
            ? { attr: theirArg.type_attr }
            : { dtype: dtypeEnum[theirArg.type ?? ''] },
      count: theirArg.number_attr,
    })

    const defaultOf = (value: TheirValue): unknown => {
      if (value.s !== undefined) return Buffer.from(value.s, 'base64').toString()
      if (value.i !== undefined) return Number(value.i)
      if (value.f !== undefined) return Math.fround(value.f)
      if (value.b !== undefined) return value.b
      if (value.type !== undefined) return dtypeEnum[value.type]
      if (value.shape?.unknown_rank === true) return undefined
      if (value.list?.i !== undefined) return value.list.i.map(Number)
      if (value.list !== undefined && Object.keys(value.list).length === 0) return []
      throw new Error(`a default that this test does not know: ${JSON.stringify(value)}`)
    }

    test.each(Object.keys(ops))('%s', (op) => {
      const def = (ops as Readonly<Record<string, { inputs: readonly ArgDef[]; outputs: readonly ArgDef[]; attrs: Readonly<Record<string, AttrDef>>; stateful: boolean }>>)[op]!
      const their = theirs.ops[op]!
      expect(def.inputs).toEqual((their.input_arg ?? []).map(arg))
      expect(def.outputs).toEqual((their.output_arg ?? []).map(arg))
      expect(def.stateful).toBe(their.is_stateful ?? false)
      for (const attr of their.attr ?? []) {
        const mine = def.attrs[attr.name]
        if (mine === undefined) {
          expect(attr, `${attr.name} is left out, so it needs a default`).toHaveProperty('default_value')
          continue
        }
        expect(mine.type).toBe(attr.type)
        expect(mine.hasDefault).toBe(attr.default_value !== undefined)
        if (attr.default_value !== undefined) expect(mine.default).toEqual(defaultOf(attr.default_value))
        if (attr.type.includes('type')) expect([...(mine.allowed ?? [])].sort()).toEqual([...new Set(known(attr.allowed_values?.list?.type))])
        if (attr.minimum !== undefined) expect(mine.minimum).toBe(Number(attr.minimum))
      }
      expect(Object.keys(def.attrs).filter((mine) => !(their.attr ?? []).some(({ name: attrName }) => attrName === mine))).toEqual([])
    })
  })
})
