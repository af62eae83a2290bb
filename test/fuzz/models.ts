import { crc32c, maskCrc32c } from '@millrace/formats'
import { run, type ErrorTag } from '@millrace/core'
import { encodeCheckpointState, loadFrozenGraph, loadSavedModel, openCheckpoint, parseCheckpointState, readSavedModel } from '@millrace/export'
import { encodeTable, encodeVarint } from '../../packages/export/src/checkpoint/encode-table.js'
import { encodeStrings } from '../../packages/export/src/checkpoint/encode-strings.js'
import { readStrings } from '../../packages/export/src/checkpoint/read-strings.js'
import { sliceKey } from '../../packages/export/src/checkpoint/slice-key.js'
import { tensorflow, toInt64 } from '../../packages/export/src/proto/index.js'
import { decodePositions } from '../../packages/distributed/src/checkpoints/positions.js'
import { stringData, stringTensor } from '../../packages/export/src/tensor/host-tensor.js'
import { orTyped, text, withFiles, type FuzzedDecoder } from './fuzzed.js'

const tags: readonly ErrorTag[] = ['Corrupt', 'Model', 'Limit', 'NotFound']
type Long = NonNullable<tensorflow.IAttrValue['i']>
const int = (value: number): Long => toInt64(value) as unknown as Long
const { DataType } = tensorflow
const dims = (...sizes: number[]): tensorflow.ITensorShapeProto => ({ dim: sizes.map((size) => ({ size: int(size) })) })

/** A data file: six floats, and two strings. */
const strings = encodeStrings([Buffer.from('a'), Buffer.from('ü€')])
const floats = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer)
const dataFile = Buffer.concat([floats, strings.bytes])

const entry = (message: tensorflow.BundleEntryProto.$Properties): Uint8Array => tensorflow.BundleEntryProto.encode(message).finish()
const crcOf = (bytes: Uint8Array): number => maskCrc32c(crc32c(bytes))

/** The rows of an index: a tensor that is whole, one in two slices, one of strings. */
const indexRows = (): readonly { readonly key: Uint8Array; readonly value: Uint8Array }[] => {
  const extents = [0, 2].map((start) => ({ extents: [{ start, length: start === 0 ? 2 : 1 }, { start: 0, length: -1 }] }))
  const protos = extents.map((slice) => ({ extent: slice.extents.map(({ start, length }) => ({ start: int(start), ...(length === -1 ? {} : { length: int(length) }) })) }))
  const rows = [
    { key: new Uint8Array(0), value: tensorflow.BundleHeaderProto.encode({ numShards: 1, version: { producer: 1 } }).finish() },
    { key: Buffer.from('dense/kernel'), value: entry({ dtype: DataType.DT_FLOAT, shape: dims(3, 2), size: int(24), crc32c: crcOf(floats) } as tensorflow.BundleEntryProto.$Properties) },
    { key: Buffer.from('dense/parts'), value: entry({ dtype: DataType.DT_FLOAT, shape: dims(3, 2), slices: protos } as tensorflow.BundleEntryProto.$Properties) },
    { key: Buffer.from('words'), value: entry({ dtype: DataType.DT_STRING, shape: dims(2), offset: int(24), size: int(strings.bytes.length), crc32c: maskCrc32c(strings.crc) } as tensorflow.BundleEntryProto.$Properties) },
    ...extents.map((slice, i) => ({
      key: sliceKey('dense/parts', slice),
      value: entry({ dtype: DataType.DT_FLOAT, shape: dims(i === 0 ? 2 : 1, 2), offset: int(16 * i), size: int(i === 0 ? 16 : 8), crc32c: crcOf(floats.subarray(16 * i, i === 0 ? 16 : 24)) } as tensorflow.BundleEntryProto.$Properties),
    })),
  ]
  return rows.sort((a, b) => Buffer.compare(a.key, b.key))
}

/** A block of the index with its trailer: its checksum holds, whatever the block says. */
const sealed = (block: Uint8Array): Buffer => {
  const out = Buffer.concat([block, Buffer.alloc(5)])
  out.writeUInt32LE(crcOf(out.subarray(0, block.length + 1)), block.length + 1)
  return out
}

/** An index of one block. */
const tableOf = (block: Uint8Array): Buffer => {
  const data = sealed(block)
  const handle = Buffer.concat([encodeVarint(0), encodeVarint(block.length)])
  const pointer = Buffer.concat([Buffer.of(0, 1, handle.length, 0xff), handle, Buffer.from([0, 0, 0, 0, 1, 0, 0, 0])])
  const foot = Buffer.alloc(48)
  Buffer.concat([encodeVarint(0), encodeVarint(0), encodeVarint(data.length), encodeVarint(pointer.length)]).copy(foot)
  foot.writeBigUInt64LE(0xdb4775248b80fb57n, 40)
  return Buffer.concat([data, sealed(pointer), foot])
}

/** The one block of entries in a table of ours. */
const blockOf = (table: Uint8Array): Uint8Array => {
  const view = new DataView(table.buffer, table.byteOffset)
  // The index of blocks is found by the foot, its only entry's value by its length: key, then offset 0 and the size.
  let at = table.length - 48
  const varint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = view.getUint8(at++)
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  const [meta] = [varint()]
  return table.subarray(0, meta - 5)
}

/** Opens a checkpoint and reads all that it says it holds. */
const readAll = (input: Uint8Array, index: Uint8Array): Promise<void> =>
  withFiles(input, async (files) => {
    files.put('model.index', index)
    files.put('model.data-00000-of-00001', dataFile)
    await orTyped(async () => {
      const checkpoint = await openCheckpoint('mem:model')
      for (const name of checkpoint.entries.keys()) {
        await orTyped(async () => void (await checkpoint.read(name)), tags)
        await orTyped(async () => {
          for await (const { data } of checkpoint.blocks(name, { blockBytes: 8 })) if (!ArrayBuffer.isView(data)) throw new Error('a block of strings')
        }, tags)
      }
    }, tags)
  })

const node = (name: string, op: string, input: readonly string[] = [], attr: { [name: string]: tensorflow.IAttrValue } = {}): tensorflow.INodeDef => ({ name, op, input: [...input], attr })
const type = (dtype: number): tensorflow.IAttrValue => ({ type: dtype })
const float = { T: type(DataType.DT_FLOAT) }
const constant = (name: string, value: tensorflow.ITensorProto): tensorflow.INodeDef => node(name, 'Const', [], { dtype: type(value.dtype!), value: { tensor: value } })
const integers = (...values: number[]): tensorflow.ITensorProto => ({ dtype: DataType.DT_INT32, tensorShape: dims(values.length), intVal: values })

/** A graph of ops whose sizes come from the graph itself. */
const graph: tensorflow.IGraphDef = {
  node: [
    node('x', 'Placeholder', [], { dtype: type(DataType.DT_FLOAT), shape: { shape: dims(-1) } }),
    constant('weights', { dtype: DataType.DT_FLOAT, tensorShape: dims(2, 3), floatVal: [1, 2, 3, 4, 5, 6] }),
    constant('rows', integers(-1, 2)), constant('times', integers(1, 2)), constant('axis', { dtype: DataType.DT_INT32, tensorShape: dims(), intVal: [1] }),
    node('matrix', 'Reshape', ['x', 'rows'], float), node('product', 'MatMul', ['matrix', 'weights'], float),
    node('tiled', 'Tile', ['product', 'times'], float), node('joined', 'ConcatV2', ['tiled', 'product', 'axis'], { ...float, N: { i: int(2) } }), node('y', 'Relu', ['joined'], float),
  ],
}

const savedModel = (): Uint8Array => {
  const tensor = (name: string): tensorflow.ITensorInfo => ({ name, dtype: DataType.DT_FLOAT, tensorShape: dims(-1) })
  const signatureDef = { serving_default: { inputs: { x: tensor('x:0') }, outputs: { y: tensor('y:0') }, methodName: 'tensorflow/serving/predict' } }
  const meta = { metaInfoDef: { tags: ['serve'], tensorflowVersion: '2.9' }, graphDef: graph, signatureDef, assetFileDef: [{ filename: 'words.txt', tensorInfo: { name: 'words:0' } }] }
  return tensorflow.SavedModel.encode({ savedModelSchemaVersion: int(1), metaGraphs: [meta] } as tensorflow.SavedModel.$Properties).finish()
}

/** What a graph may be refused for when it is asked; a feed that it does not have is the caller's mistake. */
const predicting: readonly ErrorTag[] = [...tags, 'Usage', 'Schema', 'BadRecord', 'Engine']

const positions = ['worker_0', '{"step":17,"stream":{"file":"a","byte":12}}', '{"step":3,"iterator":true}']

/** Models and checkpoints of others. */
export const modelDecoders: readonly FuzzedDecoder[] = [
  { name: 'checkpoint-index', sound: () => [encodeTable(indexRows())], decode: (input) => readAll(input, input) },
  { name: 'checkpoint-entries', sound: () => [blockOf(encodeTable(indexRows()))], decode: (input) => readAll(input, tableOf(input)) },
  { name: 'checkpoint-strings', sound: () => [strings.bytes], decode: (input) => orTyped(() => void readStrings(input, 2, 'the input'), tags) },
  {
    name: 'checkpoint-state',
    sound: () => [Buffer.from(encodeCheckpointState({ latest: 'model-"2"', all: ['/a/model-1', 'model-"2"'], timestamps: [1.5, 2.5], lastPreserved: 1 })), Buffer.from("# old\nmodel_checkpoint_path: 'm\\303\\274'")],
    decode: (input) => void parseCheckpointState(text(input)),
  },
  {
    name: 'input-positions',
    sound: () => positions.map((one) => Buffer.from(one)),
    decode: (input) => orTyped(() => void decodePositions(stringTensor([1, 3], stringData(['worker_0', input, 'state']))), tags),
  },
  {
    name: 'saved-model',
    sound: () => [savedModel()],
    decode: (input) =>
      withFiles(input, async (files) => {
        files.put('saved/saved_model.pb', input)
        await orTyped(async () => void (await run(readSavedModel('mem:saved'))).graph.nodes, tags)
        await orTyped(async () => {
          const predictor = await run(loadSavedModel('mem:saved', { runtime: 'javascript' }))
          await run(predictor.predict({ x: [1, 2, 3, 4] }))
        }, predicting)
      }),
  },
  {
    name: 'frozen-graph',
    sound: () => [tensorflow.GraphDef.encode(graph as tensorflow.GraphDef.$Properties).finish()],
    decode: (input) =>
      withFiles(input, (files) =>
        orTyped(async () => {
          const predictor = await run(loadFrozenGraph(files.put('frozen.pb', input)))
          await run(predictor.predict({ x: [1, 2, 3, 4] }))
        }, predicting)),
  },
]
