import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isMillraceError, run } from '@millrace/core'
import { tensorflow, toInt64 } from '../proto/index.js'
import { loadFrozenGraph } from './load-frozen-graph.js'
import { loadSavedModel } from './load-saved-model.js'

type Long = NonNullable<tensorflow.IAttrValue['i']>
const int = (value: number): Long => toInt64(value) as unknown as Long
const { DataType } = tensorflow
const type = (dtype: number): tensorflow.IAttrValue => ({ type: dtype })
const node = (name: string, op: string, input: string[] = [], attr: { [name: string]: tensorflow.IAttrValue } = {}): tensorflow.INodeDef => ({ name, op, input, attr })
const floats = { T: type(DataType.DT_FLOAT) }
const placeholder = (name: string, dtype: number = DataType.DT_FLOAT): tensorflow.INodeDef => node(name, 'Placeholder', [], { dtype: type(dtype) })
const constant = (name: string, value: tensorflow.ITensorProto): tensorflow.INodeDef => node(name, 'Const', [], { dtype: type(value.dtype!), value: { tensor: value } })
const dims = (...sizes: number[]): tensorflow.ITensorShapeProto => ({ dim: sizes.map((size) => ({ size: int(size) })) })
const int32s = (...values: number[]): tensorflow.ITensorProto => ({ dtype: DataType.DT_INT32, tensorShape: dims(values.length), intVal: values })

describe('graphs and models that are damaged or meant to harm end in an error that says what is wrong', () => {
  let folder = ''
  let count = 0
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-hostile-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const frozen = async (graph: tensorflow.IGraphDef | Uint8Array): Promise<string> => {
    const path = join(folder, `${count++}.pb`)
    await writeFile(path, graph instanceof Uint8Array ? graph : tensorflow.GraphDef.encode(graph as tensorflow.GraphDef.$Properties).finish())
    return path
  }
  const savedModel = async (meta: tensorflow.IMetaGraphDef, files: { readonly [path: string]: string | Uint8Array } = {}): Promise<string> => {
    const path = join(folder, String(count++))
    await mkdir(join(path, 'variables'), { recursive: true })
    await mkdir(join(path, 'assets'), { recursive: true })
    const model = { savedModelSchemaVersion: int(1), metaGraphs: [{ metaInfoDef: { tags: ['serve'] }, ...meta }] }
    await writeFile(join(path, 'saved_model.pb'), tensorflow.SavedModel.encode(model as tensorflow.SavedModel.$Properties).finish())
    for (const [name, contents] of Object.entries(files)) await writeFile(join(path, name), contents)
    return path
  }
  const signature = (inputs: { [name: string]: number }, outputs: { [name: string]: string }): tensorflow.ISignatureDef => ({
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, dtype]) => [name, { name: `${name}:0`, dtype, tensorShape: dims(-1) }])),
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, { name: tensor, dtype: DataType.DT_FLOAT, tensorShape: dims(-1) }])),
  })
  const loading = (path: string): Promise<unknown> => run(path.endsWith('.pb') ? loadFrozenGraph(path) : loadSavedModel(path, { runtime: 'javascript' }))

  test('a file that is none, and every truncation of one', async () => {
    await expect(loading(await frozen(new TextEncoder().encode('no graph at all')))).rejects.toMatchObject({ _tag: 'Corrupt', code: 'FROZEN_GRAPH', remedy: expect.stringContaining('loadSavedModel') as string })
    await expect(loading(await frozen(new Uint8Array(0)))).rejects.toMatchObject({ _tag: 'Corrupt', code: 'FROZEN_GRAPH', problem: 'the file is empty' })
    await expect(loading(join(folder, 'missing.pb'))).rejects.toMatchObject({ _tag: 'NotFound' })
    const three = { dtype: DataType.DT_FLOAT, tensorShape: dims(3), floatVal: [1, 2, 3] }
    const bytes = tensorflow.GraphDef.encode({ node: [placeholder('x'), constant('c', three), node('y', 'AddV2', ['x', 'c'], floats)] } as tensorflow.GraphDef.$Properties).finish()
    await run(loadFrozenGraph(await frozen(bytes)))
    for (let end = 0; end < bytes.length; end++) {
      // A cut between two fields leaves a smaller message; any other is an error of ours.
      await loading(await frozen(bytes.slice(0, end))).catch((error: unknown) => expect(isMillraceError(error) && error._tag !== 'Internal', String(error)).toBe(true))
    }
  })

  test('cycles, dangling inputs, two nodes of one name, outputs that are not there', async () => {
    const cycle = { node: [node('a', 'Neg', ['b'], floats), node('b', 'Neg', ['a'], floats), node('y', 'Neg', ['a'], floats)] }
    await expect(loading(await frozen(cycle))).rejects.toMatchObject({ code: 'GRAPH_CYCLE' })
    const self = { node: [node('a', 'Identity', ['a'], floats), node('y', 'Neg', ['a'], floats)] }
    await expect(loading(await frozen(self))).rejects.toMatchObject({ code: 'BAD_GRAPH' })
    await expect(loading(await frozen({ node: [node('y', 'Neg', ['nowhere'], floats)] }))).rejects.toThrow(/node nowhere, which the graph does not have/)
    await expect(loading(await frozen({ node: [placeholder('x'), placeholder('x'), node('y', 'Neg', ['x'], floats)] }))).rejects.toThrow(/two nodes named x/)
    await expect(loading(await frozen({ node: [placeholder('x'), node('y', 'Neg', ['x:99999999'], floats)] }))).rejects.toMatchObject({ code: 'BAD_GRAPH' })
    const second = await run(loadFrozenGraph(await frozen({ node: [placeholder('x'), node('z', 'Neg', ['x'], floats), node('y', 'Neg', ['z:1'], floats)] })))
    await expect(run(second.predict({ x: [1] }))).rejects.toMatchObject({ _tag: 'Model' })
  })

  test('a graph deeper than the stack of JavaScript', async () => {
    const deep = Array.from({ length: 20_000 }, (_, i) => node(`n${i}`, 'Neg', [i === 0 ? 'x' : `n${i - 1}`], floats))
    const predictor = await run(loadFrozenGraph(await frozen({ node: [placeholder('x'), ...deep] })))
    expect((await run(predictor.predict({ x: [2] })))['n19999']!.values).toEqual(Float32Array.of(2))
  })

  test('constants whose shape is huge, negative, overflowing, or does not fit their contents', async () => {
    const use = (value: tensorflow.ITensorProto): Promise<unknown> => frozen({ node: [constant('c', value), node('y', 'Neg', ['c'], floats)] }).then((path) => run(loadFrozenGraph(path))).then((predictor) => run(predictor.predict({})))
    const float = { dtype: DataType.DT_FLOAT, floatVal: [1] }
    await expect(use({ ...float, tensorShape: dims(2 ** 31, 4) })).rejects.toMatchObject({ _tag: 'Limit', code: 'TENSOR_TOO_LARGE' })
    await expect(use({ ...float, tensorShape: dims(2 ** 40, 2 ** 40) })).rejects.toMatchObject({ code: 'BAD_SHAPE' })
    await expect(use({ ...float, tensorShape: dims(-3) })).rejects.toMatchObject({ code: 'BAD_SHAPE' })
    await expect(use({ ...float, tensorShape: { unknownRank: true } })).rejects.toMatchObject({ code: 'BAD_SHAPE' })
    await expect(use({ dtype: DataType.DT_FLOAT, tensorShape: dims(2), tensorContent: new Uint8Array(7) })).rejects.toMatchObject({ code: 'BAD_TENSOR' })
    await expect(use({ dtype: DataType.DT_FLOAT, tensorShape: dims(1), floatVal: [1, 2, 3] })).rejects.toMatchObject({ code: 'BAD_TENSOR' })
    await expect(use({ dtype: DataType.DT_STRING, tensorShape: dims(2 ** 26), stringVal: [] })).rejects.toMatchObject({ _tag: 'Limit', code: 'TENSOR_TOO_LARGE' })
    await expect(use({ dtype: DataType.DT_STRING, tensorShape: dims(2 ** 16), stringVal: [new Uint8Array(2 ** 16)] })).rejects.toMatchObject({ _tag: 'Limit', code: 'TENSOR_TOO_LARGE' })
    await expect(use({ dtype: DataType.DT_VARIANT, tensorShape: dims(1) })).rejects.toMatchObject({ code: 'UNKNOWN_DTYPE' })
  })

  test('ops that would make more than memory holds', async () => {
    const scalar = { dtype: DataType.DT_STRING, tensorShape: {}, stringVal: [new Uint8Array(3)] }
    const fill = { node: [constant('dims', int32s(65536, 65536, 64)), constant('value', scalar), node('y', 'Fill', ['dims', 'value'], { T: type(DataType.DT_STRING), index_type: type(DataType.DT_INT32) })] }
    const predictor = await run(loadFrozenGraph(await frozen(fill)))
    await expect(run(predictor.predict({}))).rejects.toMatchObject({ _tag: 'Limit', code: 'TENSOR_TOO_LARGE' })
  })

  test('functions without end, and functions that double at each level', async () => {
    const fn = (name: string, calls: string[]): tensorflow.IFunctionDef => ({
      signature: { name, inputArg: [{ name: 'x', type: DataType.DT_FLOAT }], outputArg: [{ name: 'y', type: DataType.DT_FLOAT }] },
      nodeDef: calls.map((callee, i) => node(`call${i}`, 'PartitionedCall', [i === 0 ? 'x' : `call${i - 1}:output:0`], { f: { func: { name: callee } } })),
      ret: { y: `call${calls.length - 1}:output:0` },
    })
    const call = (name: string): tensorflow.INodeDef[] => [placeholder('x'), node('y', 'PartitionedCall', ['x'], { f: { func: { name } } })]
    await expect(loading(await frozen({ node: call('loop'), library: { function: [fn('loop', ['loop'])] } }))).rejects.toMatchObject({ code: 'RECURSIVE_FUNCTION' })
    const doubling = Array.from({ length: 40 }, (_, i) => fn(`f${i}`, [`f${i + 1}`, `f${i + 1}`]))
    const leaf = { ...fn('f40', ['f40']), nodeDef: [], ret: { y: 'x' } }
    await expect(loading(await frozen({ node: call('f0'), library: { function: [...doubling, leaf] } }))).rejects.toMatchObject({ _tag: 'Limit', code: 'GRAPH_TOO_LARGE' })
    await expect(loading(await frozen({ node: call('missing') }))).rejects.toThrow(/function missing/)
  })

  test.each(['../../etc/passwd', '/etc/passwd', 'a/../../b', '..', '', 'a\\..\\b', './a', 'a\0b'])('the asset path %j', async (filename) => {
    const path = await savedModel({ graphDef: { node: [placeholder('x')] }, signatureDef: { serving_default: signature({ x: 1 }, { y: 'x:0' }) }, assetFileDef: [{ filename, tensorInfo: { name: 'asset:0' } }] })
    await expect(loading(path)).rejects.toMatchObject({ _tag: 'Model', code: 'ASSET_OUTSIDE' })
  })

  const vocabularyModel = (): tensorflow.IMetaGraphDef => ({
    graphDef: {
      node: [
        placeholder('x', DataType.DT_STRING),
        constant('asset', { dtype: DataType.DT_STRING, tensorShape: {}, stringVal: [new TextEncoder().encode('/elsewhere/words.txt')] }),
        constant('none', { dtype: DataType.DT_INT64, tensorShape: {}, int64Val: [int(-1)] }),
        node('table', 'HashTableV2', [], { key_dtype: type(DataType.DT_STRING), value_dtype: type(DataType.DT_INT64) }),
        node('fill', 'InitializeTableFromTextFileV2', ['table', 'asset'], { key_index: { i: int(-2) }, value_index: { i: int(-1) }, vocab_size: { i: int(-1) } }),
        node('y', 'LookupTableFindV2', ['table', 'x', 'none'], { Tin: type(DataType.DT_STRING), Tout: type(DataType.DT_INT64) }),
      ],
    },
    signatureDef: { serving_default: signature({ x: DataType.DT_STRING }, { y: 'y:0' }) },
    assetFileDef: [{ filename: 'words.txt', tensorInfo: { name: 'asset:0' } }],
  })

  test('vocabularies that are missing, repeat a word, or are not among the assets', async () => {
    const good = await run(loadSavedModel(await savedModel(vocabularyModel(), { 'assets/words.txt': 'one\r\ntwo\n\nthree' }), { runtime: 'javascript' }))
    expect((await run(good.predict(['three', '', 'two', 'four', 'one'])))['y']!.values).toEqual(BigInt64Array.of(3n, 2n, 1n, -1n, 0n))
    await expect(loading(await savedModel(vocabularyModel()))).rejects.toMatchObject({ _tag: 'NotFound' })
    await expect(loading(await savedModel(vocabularyModel(), { 'assets/words.txt': 'one\ntwo\none\n' }))).rejects.toThrow(/two values for one key/)
    await expect(loading(await savedModel({ ...vocabularyModel(), assetFileDef: [] }))).rejects.toThrow(/reads the file "\/elsewhere\/words.txt", which is not one of the model's assets/)
    const unfilled = vocabularyModel()
    const bare = await savedModel({ ...unfilled, graphDef: { node: unfilled.graphDef!.node!.filter(({ name }) => name !== 'fill') } }, { 'assets/words.txt': 'one' })
    await expect(run(loadSavedModel(bare, { runtime: 'javascript' })).then((predictor) => run(predictor.predict(['one'])))).rejects.toThrow(/never initialised/)
  })

  test('variables that are missing, and models without the tag or any signature', async () => {
    const graphDef = { node: [node('v', 'VarHandleOp', [], { dtype: type(DataType.DT_FLOAT) }), node('read', 'ReadVariableOp', ['v'], { dtype: type(DataType.DT_FLOAT) }), node('y', 'Neg', ['read'], floats)] }
    await expect(loading(await savedModel({ graphDef, signatureDef: { serving_default: signature({}, { y: 'y:0' }) } }))).rejects.toMatchObject({ _tag: 'NotFound', code: 'NO_VARIABLES' })
    await expect(loading(await savedModel({ graphDef, metaInfoDef: { tags: ['train'] } }))).rejects.toMatchObject({ code: 'NO_SUCH_TAGS', message: expect.stringContaining('[train]') as string })
    await expect(loading(await savedModel({ graphDef }))).rejects.toMatchObject({ code: 'NO_SIGNATURES' })
    await expect(run(loadSavedModel(await savedModel({ graphDef, signatureDef: { a: signature({}, { y: 'y:0' }) } }), { signatures: ['b'] }))).rejects.toMatchObject({ code: 'NO_SUCH_SIGNATURE' })
  })

  test('names that mean something in JavaScript', async () => {
    const names = ['__proto__', 'constructor', 'toString']
    const graph = { node: [placeholder('hasOwnProperty'), ...names.map((name, i) => node(name, 'Neg', [i === 0 ? 'hasOwnProperty' : names[i - 1]!], floats))] }
    const predictor = await run(loadFrozenGraph(await frozen(graph)))
    expect((await run(predictor.predict({ hasOwnProperty: [1, 2] })))['toString']!.values).toEqual(Float32Array.of(-1, -2))
    await expect(run(predictor.predict({}))).rejects.toMatchObject({ code: 'MISSING_INPUT' })
  })
})
