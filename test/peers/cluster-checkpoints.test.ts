import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { failure, field, fromRows, pipe, registerStorage, run, storageFor, type Storage } from '@millrace/core'
import { writeTfRecords } from '@millrace/formats'
import {
  addCheckpointOps, addIteratorState, checkpointManager, remoteSession, restoreCheckpoint, saveCheckpoint, startLocalCluster, type LocalCluster,
} from '@millrace/distributed'
import {
  addVariable, describeModel, exportFrozenGraph, exportSavedModel, Graph, latestCheckpoint, loadNativeSavedModel, nativeSession, readCheckpoint, tensorNumbers, type Session,
} from '@millrace/export'
import { cutVariable } from '../../packages/export/src/lower/partition.js'
import { COLUMNS, fetchTable, makeModel, ROWS, values, weight } from '../support/partitioned-model.js'
import { describePeer, runPython } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

/**
 * Reads the checkpoints of the folders that are named; writes a checkpoint of TensorFlow's own, its tables in four slices on two
 * shards.
 */
const script = `
import json, sys
import numpy as np
import tensorflow as tf
def read(folder):
    latest = tf.train.latest_checkpoint(folder)
    reader = tf.train.load_checkpoint(latest)
    state = tf.train.get_checkpoint_state(folder)
    plain = {name: reader.get_tensor(name).reshape(-1).tolist() for name in reader.get_variable_to_shape_map() if not name.startswith('millrace/')}
    return {'latest': latest, 'tensors': plain, 'all': list(state.all_model_checkpoint_paths), 'times': list(state.all_model_checkpoint_timestamps)}
print(json.dumps([read(folder) for folder in sys.argv[2:]]))
table = np.arange(33, dtype=np.float32).reshape(11, 3)
cuts = [0, 2, 5, 9, 11]
parts = []
for shard, names in enumerate([['table/embeddings', 'dense/kernel'], ['table/embeddings/Adam', 'dense/bias', 'global_step']]):
    rows, specs, tensors = [], [], []
    for name in names:
        if name.startswith('table'):
            for start, end in zip(cuts, cuts[1:]):
                rows.append(name); specs.append('11 3 %d,%d:0,3' % (start, end - start)); tensors.append(table[start:end] + (1000 if 'Adam' in name else 0))
        else:
            rows.append(name); specs.append('')
            tensors.append({'dense/kernel': np.float32([[1, 2], [3, 4], [5, 6]]), 'dense/bias': np.float32([-1, -2]), 'global_step': np.int64(100)}[name])
    parts.append(sys.argv[1] + '_temp/part-%05d-of-00002' % shard)
    tf.raw_ops.SaveV2(prefix=parts[-1], tensor_names=rows, shape_and_slices=specs, tensors=tensors)
tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=sys.argv[1])
`

interface Theirs {
  readonly latest: string
  readonly tensors: Readonly<Record<string, number[]>>
  readonly all: readonly string[]
  readonly times: readonly number[]
}

describePeer('checkpoints on parameter servers', 'tensorflow', () => {
  const library = peerLibrary()
  let cluster: LocalCluster
  let folder = ''
  const sessions: Session[] = []
  const theirs: Record<string, Theirs> = {}
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-cluster-checkpoints-'))
    cluster = await run(startLocalCluster({ ps: 3, workers: 1, library, environment: { TF_CPP_MIN_LOG_LEVEL: '3' } }))
    for (const layout of ['div', 'mod'] as const) {
      const model = makeModel(2, layout)
      const session = await open(model)
      await session.run({ targets: [model.set] })
      expect(await checkpointManager(session, model.ops, { folder: join(folder, 'new', layout) }).save()).toEqual({ prefix: join(folder, 'new', layout, 'model.ckpt-100'), step: 100, removed: [], warnings: [] })
    }
    await mkdir(join(folder, 'theirs'))
    const read = JSON.parse(await runPython(script, { args: [join(folder, 'theirs', 'model'), join(folder, 'new', 'div'), join(folder, 'new', 'mod')] })) as Theirs[]
    Object.assign(theirs, { div: read[0], mod: read[1] })
  })
  afterAll(async () => {
    await Promise.all(sessions.map((session) => session.close().catch(() => undefined)))
    await cluster?.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const open = async ({ graph }: { readonly graph: Graph }): Promise<Session> => {
    const session = await run(remoteSession({ graph: graph.encode(), target: cluster.target({ type: 'worker', index: 0 }) }))
    sessions.push(session)
    return session
  }
  const files = (path: string): Promise<string[]> => readdir(path).then((names) => names.sort())

  test.each(['div', 'mod'] as const)('a table in two parts (%s) is read by TensorFlow and by us, and restored on one, two and three servers in any layout', async (layout) => {
    const prefix = join(folder, 'new', layout, 'model.ckpt-100')
    expect(await files(join(folder, 'new', layout))).toEqual(['checkpoint', 'model.ckpt-100.data-00000-of-00002', 'model.ckpt-100.data-00001-of-00002', 'model.ckpt-100.index'])
    const ours = await run(readCheckpoint(prefix))
    expect(Array.from(ours.get('table/embeddings')!.data as Float32Array)).toEqual(values(0))
    expect(Array.from(ours.get('table/embeddings/Adam')!.data as Float32Array)).toEqual(values(1000))
    const { latest, all, times, tensors } = theirs[layout]!
    expect([latest, all, times.length]).toEqual([prefix, [prefix], 1])
    expect(Object.keys(tensors).sort()).toEqual(['dense/bias', 'dense/kernel', 'global_step', 'table/embeddings', 'table/embeddings/Adam'])
    // TensorFlow knows of no parts by mod: it gives rows as they lie, those of the even ids first.
    const lying = layout === 'div' ? values(0) : [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9].flatMap((id) => values(0).slice(id * COLUMNS, (id + 1) * COLUMNS))
    expect(tensors['table/embeddings']).toEqual(lying)

    for (const servers of [1, 2, 3]) {
      for (const other of ['div', 'mod', 'whole'] as const) {
        const target = makeModel(servers, other)
        const again = await open(target)
        await again.run({ targets: [target.clear] })
        const report = await restoreCheckpoint(again, target.ops, prefix)
        const what = `${servers} servers, ${other}`
        const inOrder = other === 'mod' && servers > 1 ? servers : 1
        expect(report.reordered, what).toEqual(inOrder === (layout === 'mod' ? 2 : 1) ? [] : ['table/embeddings', 'table/embeddings/Adam'])
        expect(report).toMatchObject({ step: 100, variables: 5, positions: [] })
        expect(await fetchTable(again, target, 'table/embeddings'), what).toEqual(values(0))
        expect(await fetchTable(again, target, 'table/embeddings/Adam'), what).toEqual(values(1000))
        expect(await fetchTable(again, target, 'dense/kernel'), what).toEqual([1, 2, 3, 4, 5, 6])
        await again.close()
      }
    }
  })

  test("TensorFlow's own slices are restored on any number of servers", async () => {
    const prefix = join(folder, 'theirs', 'model')
    for (const [servers, layout] of [[1, 'whole'], [2, 'div'], [3, 'mod']] as const) {
      const model = makeModel(servers, layout)
      const session = await open(model)
      await session.run({ targets: [model.clear] })
      expect(await restoreCheckpoint(session, model.ops, prefix)).toMatchObject({ step: 100, variables: 5 })
      expect(await fetchTable(session, model, 'table/embeddings'), layout).toEqual(values(0))
      expect(await fetchTable(session, model, 'table/embeddings/Adam'), layout).toEqual(values(1000))
    }
  })

  test('in this process, without devices', async () => {
    const make = () => {
      const graph = new Graph()
      const step = addVariable(graph, weight('global_step', 'int64', []))
      const parts = cutVariable(weight('table/embeddings', 'float32', [ROWS, COLUMNS]), 'div', 1).map(({ weight: own, slice }) => ({ ...addVariable(graph, own), slice }))
      return { graph, step, table: parts[0]!, ops: addCheckpointOps(graph, [...parts, step]), set: graph.add('AssignVariableOp', [step.handle, graph.scalar('int64', 1)]) }
    }
    const model = make()
    const session = await run(nativeSession({ graph: model.graph.encode(), library }))
    sessions.push(session)
    // From the cluster's, in two parts by mod.
    expect(await restoreCheckpoint(session, model.ops, join(folder, 'new', 'mod', 'model.ckpt-100'))).toMatchObject({ step: 100, reordered: ['table/embeddings'] })
    const manager = checkpointManager(session, model.ops, { folder: join(folder, 'native') })
    await manager.save()
    await session.run({ targets: [model.set] })
    expect(await manager.restoreLatest()).toMatchObject({ step: 100 })
    const [value] = await session.run({ fetches: [model.table.value] })
    expect(tensorNumbers(value)).toEqual(values(0))
    expect((await run(readCheckpoint(join(folder, 'native', 'model.ckpt-100')))).get('table/embeddings')!.data).toEqual(Float32Array.from(values(0)))
    // One is kept for good each time that so many hours have passed, here at once.
    const hourly = checkpointManager(session, model.ops, { folder: join(folder, 'hourly'), keep: 1, keepEveryHours: 1e-12 })
    await hourly.save()
    expect(await hourly.save()).toMatchObject({ prefix: join(folder, 'hourly', 'model.ckpt-100_1'), removed: [] })
    expect((await files(join(folder, 'hourly'))).filter((name) => name.endsWith('.index'))).toEqual(['model.ckpt-100.index', 'model.ckpt-100_1.index'])
    expect(await readFile(join(folder, 'hourly', 'checkpoint'), 'utf8')).toMatch(/^model_checkpoint_path: "model.ckpt-100_1"\nall_model_checkpoint_paths: "model.ckpt-100_1"\n.*\nlast_preserved_timestamp: [\d.]+\n$/)
  })

  test('a checkpoint of another model is refused before anything changes', async () => {
    const model = makeModel(2, 'div')
    const session = await open(model)
    await session.run({ targets: [model.set] })
    await saveCheckpoint(session, model.ops, join(folder, 'mismatch'))
    const graph = new Graph()
    const variables = [addVariable(graph, weight('global_step', 'int64', []), '/job:ps/task:0'), addVariable(graph, weight('dense/kernel', 'float32', [3, 4]), '/job:ps/task:0')]
    const other = { graph, ops: addCheckpointOps(graph, variables) }
    const error = restoreCheckpoint(await open(other), other.ops, join(folder, 'mismatch'))
    await expect(error).rejects.toMatchObject({ _tag: 'Model', code: 'CHECKPOINT_MISMATCH', message: expect.stringContaining('float32[3,2] in the checkpoint, and float32[3,4] in the graph') as string })
  })

  test('keeps as many as told, passes over what is damaged, and starts anew only where there is nothing', async () => {
    const model = makeModel(2, 'mod')
    const session = await open(model)
    const path = join(folder, 'keep')
    const manager = checkpointManager(session, model.ops, { folder: path, keep: 3 })
    expect(await manager.restoreLatest()).toBeUndefined()
    await session.run({ targets: [model.set] })
    const removed: string[] = []
    for (let step = 100; step < 105; step++) {
      removed.push(...(await manager.save([{ name: 'worker_0', step: step - 3, stream: { batch: step } }])).removed)
      if (step < 104) await session.run({ targets: [model.count] })
    }
    expect(removed).toEqual(['model.ckpt-100', 'model.ckpt-101'])
    // Of a step that has one already, and never over it.
    expect(await manager.save()).toMatchObject({ prefix: join(path, 'model.ckpt-104_1'), removed: ['model.ckpt-102'] })
    expect((await files(path)).filter((name) => name.endsWith('.index'))).toEqual(['model.ckpt-103.index', 'model.ckpt-104.index', 'model.ckpt-104_1.index'])
    expect(await latestCheckpoint(path)).toBe(join(path, 'model.ckpt-104_1'))

    const resume = async () => {
      await session.run({ targets: [model.clear] })
      return checkpointManager(session, model.ops, { folder: path }).restoreLatest()
    }
    expect(await resume()).toMatchObject({ step: 104, warnings: [], positions: [] })
    // Each newest one in turn: its index cut, a bit of its data flipped.
    await truncate(join(path, 'model.ckpt-104_1.index'), 100)
    expect(await resume()).toMatchObject({
      prefix: join(path, 'model.ckpt-104'), step: 104, warnings: [expect.stringContaining('model.ckpt-104_1 was passed over') as string],
      positions: [{ name: 'worker_0', step: 101, stream: { batch: 104 }, repeatedSteps: 3 }],
    })
    const data = join(path, 'model.ckpt-104.data-00000-of-00002')
    const bytes = await readFile(data)
    bytes[5]! ^= 4
    await writeFile(data, bytes)
    expect(await resume()).toMatchObject({ step: 103, warnings: [{}, expect.stringContaining('model.ckpt-104 was passed over') as string].map((one) => (typeof one === 'string' ? one : expect.any(String) as string)) })
    expect(await fetchTable(session, model, 'table/embeddings')).toEqual(values(0))
    // A state file that is cut within a name: the folder is listed.
    await writeFile(join(path, 'checkpoint'), 'model_checkpoint_path: "model.ckpt-10')
    expect(await resume()).toMatchObject({ step: 103 })
    await truncate(join(path, 'model.ckpt-103.data-00001-of-00002'), 3)
    await expect(resume()).rejects.toMatchObject({ _tag: 'Corrupt', code: 'CHECKPOINT_NONE', message: expect.stringContaining('none of the 3 checkpoints can be used') as string })
  })

  test('a save whose server is killed between its parts and their merge leaves the checkpoint before it', async () => {
    const model = makeModel(2, 'div')
    let session = await open(model)
    const path = join(folder, 'killed')
    await session.run({ targets: [model.set] })
    await checkpointManager(session, model.ops, { folder: path }).save()
    await session.run({ targets: [model.count] })
    const temporary = join(path, `model.ckpt-101_temp_${'0'.repeat(32)}`)
    const feeds = [[model.ops.prefix.name, join(path, 'model.ckpt-101')], [model.ops.temporary.name, join(temporary, 'part')], [model.ops.positions.name, { dtype: 'string', shape: [0, 3], data: [] }]] as const
    await session.run({ feeds, targets: [model.ops.shards] })
    expect((await files(temporary)).filter((name) => name.endsWith('.index'))).toEqual(['part-00000-of-00002.index', 'part-00001-of-00002.index'])
    await cluster.kill({ type: 'ps', index: 1 })
    await expect(session.run({ feeds, targets: [model.ops.save] }, { timeoutMs: 10_000 })).rejects.toMatchObject({ _tag: 'Engine' })
    await cluster.restart({ type: 'ps', index: 1 })
    await session.close().catch(() => undefined)

    session = await open(model)
    const manager = checkpointManager(session, model.ops, { folder: path })
    expect(await manager.restoreLatest()).toMatchObject({ step: 100, warnings: [] })
    expect(await fetchTable(session, model, 'table/embeddings')).toEqual(values(0))
    await session.run({ targets: [model.count] })
    // Another server may still think that this one is gone: it asks again after a while.
    const saved = await vi.waitFor(() => manager.save(), { timeout: 30_000, interval: 200 })
    expect(saved).toMatchObject({ step: 101, warnings: [] })
    expect(await files(temporary)).toEqual([])
    expect((await run(readCheckpoint(saved.prefix, { names: ['global_step'] }))).get('global_step')!.data).toEqual(BigInt64Array.of(101n))
  })

  test('a folder that only the server sees: saved, kept, emptied and found without this process', async () => {
    const model = makeModel(2, 'mod')
    const session = await open(model)
    const path = join(folder, 'unseen')
    const options = { folder: path, keep: 2 }
    await session.run({ targets: [model.set] })
    const lost = (): never => {
      throw failure({ tag: 'NotFound', code: 'ENOENT', problem: 'another disk' })
    }
    const see = registerStorage({ ...storageFor('/'), stat: lost, read: lost, create: lost, remove: lost })
    try {
      const manager = checkpointManager(session, model.ops, options)
      for (let step = 100; step < 104; step++) {
        expect(await manager.save()).toMatchObject({ removed: step < 102 ? [] : [`model.ckpt-${step - 2}`], warnings: [] })
        await session.run({ targets: [model.count] })
      }
      await session.run({ targets: [model.clear] })
      expect(await checkpointManager(session, model.ops, options).restoreLatest()).toMatchObject({ prefix: join(path, 'model.ckpt-103'), step: 103, warnings: [] })
      expect(await fetchTable(session, model, 'table/embeddings')).toEqual(values(0))
    } finally {
      see()
    }
    expect(await latestCheckpoint(path)).toBe(join(path, 'model.ckpt-103'))
    const sizes = await Promise.all((await files(path)).filter((name) => /-10[01]\./.test(name)).map(async (name) => (await stat(join(path, name))).size))
    expect(sizes).toEqual([0, 0, 0, 0, 0, 0])
    await expect(restoreCheckpoint(session, model.ops, join(path, 'model.ckpt-100'))).rejects.toMatchObject({ _tag: 'Corrupt' })
  })

  test("an iterator's state goes into a checkpoint and back, and no element is lost", async () => {
    const graph = new Graph()
    const device = '/job:worker/task:0'
    const { iterator, make, next } = graph.withDevice(device, () => {
      const element = { output_types: ['string'], output_shapes: [[null]] } as const
      const line = graph.vector('string', [join(folder, 'records-00000-of-00001')], 'files')
      const records = graph.one('TFRecordDataset', [line, graph.scalar('string', ''), graph.scalar('int64', 0)])
      const scalars = { output_types: ['string'], output_shapes: [[]] } as const
      const shuffled = graph.one('ShuffleDatasetV3', [records, graph.scalar('int64', 10), graph.scalar('int64', 1), graph.scalar('int64', 2), graph.one('DummySeedGenerator')], scalars)
      const dataset = graph.one('BatchDatasetV2', [shuffled, graph.scalar('int64', 3), graph.scalar('bool', false)], element)
      const handle = graph.one('IteratorV2', [], { shared_name: 'it', container: '', ...element })
      return { iterator: handle, make: graph.add('MakeIterator', [dataset, handle]), next: graph.one('IteratorGetNext', [handle], element) }
    })
    const step = addVariable(graph, weight('global_step', 'int64', []), '/job:ps/task:0')
    const set = graph.add('AssignVariableOp', [step.handle, graph.scalar('int64', 7)], {}, { device: '/job:ps/task:0' })
    const ops = addCheckpointOps(graph, [step])
    const state = addIteratorState(graph, iterator, { device })
    await run(pipe(fromRows({ data: field.binary() }, Array.from({ length: 40 }, (_, index) => ({ data: Buffer.from(`record ${index}`) }))), writeTfRecords(join(folder, 'records'), { shards: 1 })))
    const session = await open({ graph })
    const take = async (): Promise<string> => {
      const [batch] = await session.run({ fetches: [next] })
      return Buffer.from((batch.data as { bytes: Uint8Array }).bytes).toString()
    }
    await session.run({ targets: [make, set] })
    await take()
    const earlier = await state.read(session)
    const second = await take()
    await take()
    await take()
    await saveCheckpoint(session, ops, join(folder, 'iterator'), [{ name: 'worker_0', step: 7, iterator: await state.read(session) }])
    const wanted = [await take(), await take(), await take()]
    const { positions } = await restoreCheckpoint(session, ops, join(folder, 'iterator'))
    expect(positions).toMatchObject([{ name: 'worker_0', step: 7, repeatedSteps: 0 }])
    await session.run({ targets: [make] })
    await state.write(session, positions[0]!.iterator!)
    expect([await take(), await take(), await take()]).toEqual(wanted)
    expect(new Set(wanted).size).toBe(3)
    await state.write(session, earlier)
    expect(await take()).toBe(second)
    await expect(state.write(session, Uint8Array.of(1, 2))).rejects.toMatchObject({ _tag: 'Corrupt' })
  })

  test('a SavedModel takes a table from its parts, and no read is larger than a block', async () => {
    const rows = 400_000
    const columns = 16
    const graph = new Graph()
    const parts = cutVariable(weight('table/embeddings', 'float32', [rows, columns]), 'mod', 3).map(({ weight: own, slice }, part) => ({ ...addVariable(graph, own, `/job:ps/task:${part}`), slice }))
    // Row `id` is `id` in each column, made where it is held.
    const fills = parts.map((variable) => graph.withDevice(variable.device!, () => {
      const ids = graph.one('Cast', [graph.one('Range', [graph.scalar('int64', variable.slice.part), graph.scalar('int64', rows), graph.scalar('int64', 3)])], { DstT: 'float32' })
      const shape = graph.vector('int32', [variable.weight.shape[0]!, columns], 'shape')
      return graph.add('AssignVariableOp', [variable.handle, graph.one('BroadcastTo', [graph.one('ExpandDims', [ids, graph.scalar('int32', 1)]), shape])])
    }))
    const ops = addCheckpointOps(graph, parts)
    const session = await open({ graph })
    await session.run({ targets: fills })
    await saveCheckpoint(session, ops, join(folder, 'large'))
    await session.close()

    const model = tf.sequential({ layers: [tf.layers.embedding({ inputDim: rows, outputDim: columns, inputLength: 1, name: 'table' })] })
    const description = describeModel(model)
    model.dispose()
    const reads: number[] = []
    const local = storageFor('/')
    const plain = (url: string): string => url.replace('counted:', '')
    const counted: Storage = {
      scheme: 'counted',
      stat: (url, signal) => local.stat(plain(url), signal),
      read: (url, options) => {
        reads.push((options?.end ?? Infinity) - (options?.start ?? 0))
        return local.read(plain(url), options)
      },
    }
    const forget = registerStorage(counted)
    try {
      const report = await run(exportSavedModel(description, join(folder, 'saved', '1'), { checkpoint: `counted:${join(folder, 'large')}` }))
      expect(report).toMatchObject({ variables: 1, parameters: rows * columns })
      const [index, ...blocks] = reads
      expect(index).toBe(Infinity)
      expect(Math.max(...blocks)).toBeLessThanOrEqual(8 * 2 ** 20)
      expect(blocks.reduce((sum, size) => sum + size, 0)).toBe(rows * columns * 4)
    } finally {
      forget()
    }
    const loaded = await run(loadNativeSavedModel(join(folder, 'saved', '1'), { library }))
    try {
      const [input, output] = [Object.keys(loaded.signatures['serving_default']!.inputs)[0]!, Object.keys(loaded.signatures['serving_default']!.outputs)[0]!]
      const asked = [0, 1, 2, 3, 199_999, 333_334, rows - 1]
      const answer = await loaded.call({ [input]: asked.map((id) => [id]) })
      expect(tensorNumbers(answer[output]!).filter((_, at) => at % columns === 0)).toEqual(asked)
    } finally {
      await loaded.close()
    }
    const other = describeModel(tf.sequential({ layers: [tf.layers.embedding({ inputDim: rows, outputDim: 8, inputLength: 1, name: 'table' })] }))
    await expect(run(exportFrozenGraph(other, join(folder, 'frozen.pb'), { checkpoint: join(folder, 'large') }))).rejects.toMatchObject({ _tag: 'Model', code: 'CHECKPOINT_MISMATCH' })
  })
})
