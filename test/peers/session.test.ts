/** One suite for every kind of session: long, because it is one. */
import * as tf from '@tensorflow/tfjs'
import { exportSavedModel, Graph, loadNativeSavedModel, loadSavedModel, nativeLibrary, nativeObjects, nativeSession, tensorNumbers, tensorTexts, tensorValue, type DType, type FeedValue, type HostTensor, type Session, type SessionConfig } from '@millrace/export'
import { listServerDevices, remoteSession, resetServer, startLocalCluster, type LocalCluster } from '@millrace/distributed'
import { features, field, fromRows, run, standardize, vocabulary } from '@millrace/core'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attr, graphDef } from '../support/graph-def.js'
import { describePeer } from '../support/peer.js'
import { peerLibrary, startPythonServers, type PythonServers } from '../support/session-servers.js'

const FLOAT = 1
const INT64 = 9
const worker = { type: 'worker', index: 0 }

const full = (dtype: DType, shape: number[], data: HostTensor['data'] | string[]): FeedValue => ({ dtype, shape, data })

/** Values of each dtype at its limits. */
const samples: { readonly [D in DType]?: FeedValue } = {
  float32: full('float32', [2, 2], Float32Array.of(1.5, -0, Infinity, 1e-45)),
  float64: full('float64', [3], Float64Array.of(Math.PI, -Infinity, 5e-324)),
  float16: full('float16', [2], Uint16Array.of(0x3c00, 0xfc00)),
  bfloat16: full('bfloat16', [2], Uint16Array.of(0x3f80, 0xc2f7)),
  int8: full('int8', [2], Int8Array.of(-128, 127)),
  int16: full('int16', [2], Int16Array.of(-32768, 32767)),
  int32: full('int32', [2], Int32Array.of(-(2 ** 31), 2 ** 31 - 1)),
  int64: full('int64', [2], BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)),
  uint8: full('uint8', [1, 2], Uint8Array.of(0, 255)),
  uint16: full('uint16', [1], Uint16Array.of(65535)),
  uint32: full('uint32', [1], Uint32Array.of(2 ** 32 - 1)),
  uint64: full('uint64', [1], BigUint64Array.of(2n ** 64n - 1n)),
  bool: full('bool', [3], Uint8Array.of(1, 0, 1)),
}

const baseGraph = (): Uint8Array => {
  const graph = new Graph()
  for (const dtype of [...Object.keys(samples), 'string'] as DType[]) {
    graph.one('Identity', [graph.placeholder(`in_${dtype}`, dtype, undefined)], {}, { name: `out_${dtype}` })
  }
  const x = graph.placeholder('x', 'float32', [null, 2])
  graph.one('MatMul', [x, graph.constant(tensorValue('float32', [2, 1], [3, 4]))], {}, { name: 'y' })
  graph.one('MatMul', [graph.placeholder('any', 'float32', undefined), graph.constant(tensorValue('float32', [2, 1], [3, 4]))], {}, { name: 'z' })
  graph.add('NoOp', [], {}, { name: 'nothing' })
  return graph.encode()
}

/** A variable, by a name of its own, since servers share them by name. */
const variableGraph = (name: string): Uint8Array =>
  graphDef([
    { name: 'v', op: 'VarHandleOp', attr: { dtype: attr.type(FLOAT), shape: { shape: {} }, shared_name: attr.s(name), container: attr.s('') } },
    { name: 'value', op: 'Placeholder', attr: { dtype: attr.type(FLOAT), shape: { shape: {} } } },
    { name: 'assign', op: 'AssignVariableOp', input: ['v', 'value'], attr: { dtype: attr.type(FLOAT) } },
    { name: 'add', op: 'AssignAddVariableOp', input: ['v', 'value'], attr: { dtype: attr.type(FLOAT) } },
    { name: 'read', op: 'ReadVariableOp', input: ['v'], attr: { dtype: attr.type(FLOAT) } },
  ])

const queueGraph = (name: string): Uint8Array =>
  graphDef([
    { name: 'q', op: 'FIFOQueueV2', attr: { component_types: attr.types(INT64), shapes: attr.scalars(1), capacity: attr.i(-1), shared_name: attr.s(name), container: attr.s('') } },
    { name: 'take', op: 'QueueDequeueV2', input: ['q'], attr: { component_types: attr.types(INT64), timeout_ms: attr.i(-1) } },
    { name: 'item', op: 'Placeholder', attr: { dtype: attr.type(INT64), shape: { shape: {} } } },
    { name: 'put', op: 'QueueEnqueueV2', input: ['q', 'item'], attr: { Tcomponents: attr.types(INT64), timeout_ms: attr.i(-1) } },
  ])

let unique = 0
const fresh = (name: string): string => `${name}_${process.pid}_${(unique += 1)}`

type Make = (graph: Uint8Array, options?: { config?: SessionConfig; timeoutMs?: number }) => Promise<Session>

/** `blocking` sessions run a step at a time, so those that wait for each other are left out. */
const suite = (make: Make, kind: 'native' | 'blocking' | 'remote', sharing: boolean): void => {
  let session: Session
  beforeAll(async () => {
    session = await make(baseGraph())
  })
  afterAll(() => session?.close())

  test.each(Object.keys(samples) as DType[])('%s comes back as it went', async (dtype) => {
    const sample = samples[dtype] as HostTensor
    const [tensor] = await session.run({ feeds: { [`in_${dtype}`]: sample }, fetches: [`out_${dtype}`] })
    expect(tensor).toEqual(sample)
    const empty = { dtype, shape: [0, 3], data: (sample.data as Float32Array).slice(0, 0) }
    expect((await session.run({ feeds: { [`in_${dtype}`]: empty }, fetches: [`out_${dtype}`] }))[0]).toEqual(empty)
  })

  test('strings of every length, bytes that are no text, none at all', async () => {
    const texts = ['', 'a', 'x'.repeat(21), 'x'.repeat(22), 'x'.repeat(23), 'é'.repeat(100_000), '\0nul\0']
    const [tensor] = await session.run({ feeds: { in_string: texts }, fetches: ['out_string'] })
    expect(tensor).toMatchObject({ dtype: 'string', shape: [7] })
    expect(tensorTexts(tensor)).toEqual(texts)
    const bytes = Uint8Array.of(255, 0, 254)
    const [raw] = await session.run({ feeds: { in_string: { dtype: 'string', shape: [], data: [bytes] } }, fetches: ['out_string'] })
    expect((raw.data as { toArray(): unknown[] }).toArray()).toEqual([bytes])
    expect((await session.run({ feeds: { in_string: { dtype: 'string', shape: [0], data: [] } }, fetches: ['out_string'] }))[0].shape).toEqual([0])
  })

  test('plain values take the dtype of the placeholder', async () => {
    const back = async (dtype: DType, value: FeedValue): Promise<unknown> => (await session.run({ feeds: { [`in_${dtype}`]: value }, fetches: [`out_${dtype}`] }))[0]
    expect(await back('float32', 2)).toEqual({ dtype: 'float32', shape: [], data: Float32Array.of(2) })
    expect(await back('int64', [[1, 2], [3, 4n]])).toEqual({ dtype: 'int64', shape: [2, 2], data: BigInt64Array.of(1n, 2n, 3n, 4n) })
    expect(await back('bool', [true, false])).toEqual({ dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) })
    expect(tensorNumbers(await back('float16', [1, -2.5, 65504, 1e-7]) as HostTensor)).toEqual([1, -2.5, 65504, 2 * 2 ** -24])
    expect(tensorNumbers(await back('bfloat16', [1, -2.5]) as HostTensor)).toEqual([1, -2.5])
    expect(await back('int32', { values: Int32Array.of(1, 2), shape: [2, 1] })).toEqual({ dtype: 'int32', shape: [2, 1], data: Int32Array.of(1, 2) })
    expect(await back('int64', { dtype: 'int32', shape: [1], dataSync: () => Int32Array.of(7) })).toEqual({ dtype: 'int64', shape: [1], data: BigInt64Array.of(7n) })
    await expect(back('int32', [2 ** 31])).rejects.toMatchObject({ _tag: 'Schema', code: 'BAD_FEED', position: { column: 'in_int32:0' } })
    await expect(back('float32', 'text')).rejects.toMatchObject({ code: 'BAD_FEED' })
    await expect(back('float32', { dtype: 'float32', shape: [3], data: new Float32Array(2) })).rejects.toMatchObject({ code: 'BAD_FEED' })
    await expect(back('float32', { dtype: 'float32', shape: [2], data: new Float64Array(2) })).rejects.toMatchObject({ code: 'BAD_FEED' })
    await expect(back('float32', { dtype: 'resource', shape: [], data: new Uint8Array(1) })).rejects.toMatchObject({ code: 'BAD_FEED' })
  })

  test('fetches come back in the form in which they were asked for, with and without :0, twice too', async () => {
    const feeds = { 'x:0': [[1, 2]], in_float32: 5 }
    const { a, b, again } = await session.run({ feeds, fetches: { a: 'y', b: 'out_float32:0', again: 'y:0' } })
    expect([a, b, again].map(tensorNumbers)).toEqual([[11], [5], [11]])
    expect(await session.run({ targets: ['nothing'] })).toEqual([])
    const paired = await session.run({ feeds: new Map([[{ name: 'x:0' }, [[1, 1]]]]), fetches: [{ name: 'y:0' }], targets: [{ name: 'nothing' }] })
    expect(tensorNumbers(paired[0])).toEqual([7])
  })

  test('what is wrong has the code that TensorFlow gives it', async () => {
    const failing = (step: Parameters<Session['run']>[0]): Promise<unknown> => session.run(step, { timeoutMs: 20_000 })
    await expect(failing({ fetches: ['y'] })).rejects.toMatchObject({ _tag: 'Engine', code: 'TF_INVALID_ARGUMENT', message: expect.stringContaining('x') as string })
    await expect(failing({ fetches: ['nowhere'] })).rejects.toMatchObject({ code: 'TF_NOT_FOUND' })
    await expect(failing({ targets: ['nowhere'] })).rejects.toMatchObject({ code: 'TF_NOT_FOUND' })
    await expect(failing({ feeds: { nowhere: 1 }, fetches: ['nothing'] })).rejects.toMatchObject({ _tag: 'Engine' })
    await expect(failing({ fetches: ['y:7'], feeds: { x: [[1, 2]] } })).rejects.toMatchObject({ _tag: 'Engine' })
    await expect(failing({ feeds: { any: [[1, 2, 3]] }, fetches: ['z'] })).rejects.toMatchObject({ code: 'TF_INVALID_ARGUMENT' })
    await expect(failing({ feeds: { any: { dtype: 'int32', shape: [1, 2], data: new Int32Array(2) } }, fetches: ['z'] })).rejects.toMatchObject({ code: 'BAD_FEED' })
    for (const x of [1, [1, 2], [[1, 2, 3]]]) await expect(failing({ feeds: { x }, fetches: ['y'] })).rejects.toMatchObject({ code: 'BAD_FEED', message: expect.stringContaining('float32[?,2]') as string })
    for (const name of ['', '^y', 'y:', 'y:-1', 'y z', 'y\0', 'y:99999999999']) await expect(failing({ fetches: [name] })).rejects.toMatchObject({ _tag: 'Usage', code: 'TENSOR_NAME' })
    await expect(failing({})).rejects.toMatchObject({ code: 'EMPTY_STEP' })
    await expect(failing({ feeds: { x: [[1, 2]], 'x:0': [[1, 2]] }, fetches: ['y'] })).rejects.toMatchObject({ code: 'FED_TWICE' })
    await expect(session.run({ targets: ['nothing'] }, { timeoutMs: 0 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    // And the session lives.
    expect(tensorNumbers((await session.run({ feeds: { x: [[1, 2]] }, fetches: ['y'] }))[0])).toEqual([11])
  })

  test('variables: read before they are set, set, changed, and shared or not', async () => {
    const name = fresh('variable')
    const first = await make(variableGraph(name))
    try {
      await expect(first.run({ fetches: ['read'] })).rejects.toMatchObject({ code: 'TF_FAILED_PRECONDITION' })
      await first.run({ feeds: { value: 40 }, targets: ['assign'] })
      await first.run({ feeds: { value: 2 }, targets: ['add'] })
      expect(tensorNumbers((await first.run({ fetches: ['read'] }))[0])).toEqual([42])
      const second = await make(variableGraph(name))
      const seen = second.run({ fetches: ['read'] })
      if (sharing) expect(tensorNumbers((await seen)[0])).toEqual([42])
      else await expect(seen).rejects.toMatchObject({ code: 'TF_FAILED_PRECONDITION' })
      await second.close()
      if (sharing) {
        const isolated = await make(variableGraph(name), { config: { isolateState: true } })
        await expect(isolated.run({ fetches: ['read'] })).rejects.toMatchObject({ code: 'TF_FAILED_PRECONDITION' })
        await isolated.close()
      }
    } finally {
      await first.close()
    }
  })

  if (kind === 'blocking') test('a step that blocks ends at its time', async () => {
    const own = await make(queueGraph(fresh('queue')))
    try {
      await expect(own.run({ fetches: ['take'] }, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'TF_DEADLINE_EXCEEDED' })
      await own.run({ feeds: { item: 5n }, targets: ['put'] })
      expect((await own.run({ fetches: ['take'] }))[0].data).toEqual(BigInt64Array.of(5n))
    } finally {
      await own.close()
    }
  })

  if (kind !== 'blocking') test('a graph grows; a step that waits ends at its time, by its signal, or when it gets what it waits for', async () => {
    const own = await make(baseGraph())
    try {
      const added = new Graph()
      const y = added.placeholder('y', 'float32', [null, 1])
      added.one('Neg', [y], {}, { name: 'negative' })
      await expect(own.extend(added.encode())).rejects.toMatchObject({ _tag: 'Engine' })
      await own.extend(graphDef([{ name: 'negative', op: 'Neg', input: ['y', '^nothing'], attr: { T: attr.type(FLOAT) } }]))
      expect(tensorNumbers((await own.run({ feeds: { x: [[1, 2]] }, fetches: ['negative'] }))[0])).toEqual([-11])
      await expect(own.extend(Uint8Array.of(7, 7, 7))).rejects.toMatchObject({ name: 'MillraceError' })
      await expect(own.extend(graphDef([{ name: 'bad', op: 'NoSuchOp' }]))).rejects.toMatchObject({ _tag: 'Engine' })

      await own.extend(queueGraph(fresh('queue')))
      const start = performance.now()
      await expect(own.run({ fetches: ['take'] }, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'TF_DEADLINE_EXCEEDED' })
      expect(performance.now() - start).toBeLessThan(3_000)
      const stop = new AbortController()
      const aborted = own.run({ fetches: ['take'] }, { signal: stop.signal, timeoutMs: 1_000 })
      setTimeout(() => stop.abort(), 50)
      await expect(aborted).rejects.toMatchObject({ _tag: 'Aborted' })
      await expect(own.run({ fetches: ['take'] }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ _tag: 'Aborted' })
      // An aborted native step waits on until its time is up, and would take the item.
      if (kind === 'native') await new Promise((resolve) => setTimeout(resolve, 1_200))
      const taken = own.run({ fetches: ['take'] }, { timeoutMs: 20_000 })
      await own.run({ feeds: { item: 5n }, targets: ['put'] })
      expect((await taken)[0].data).toEqual(BigInt64Array.of(5n))
      // Closing ends what waits.
      const left = expect(own.run({ fetches: ['take'] }, { timeoutMs: 30_000 })).rejects.toMatchObject({ _tag: 'Engine' })
      await new Promise((resolve) => setTimeout(resolve, 100))
      await own.close()
      await left
    } finally {
      await own.close()
    }
  })

  test('callables', async () => {
    const callable = await session.makeCallable({ feeds: ['x', 'in_string'], fetches: { product: 'y', text: 'out_string:0' }, targets: ['nothing'] })
    for (const [value, text] of [[1, 'one'], [2, 'two']] as const) {
      const { product, text: back } = await callable.run([[[value, 0]], text])
      expect([tensorNumbers(product), tensorTexts(back)]).toEqual([[3 * value], [text]])
    }
    await expect(callable.run([1])).rejects.toMatchObject({ code: 'FEED_COUNT' })
    await callable.release()
    await expect(session.makeCallable({ fetches: ['nowhere'] })).rejects.toMatchObject({ code: 'TF_NOT_FOUND' })
  })

  test('devices', async () => {
    const devices = await session.listDevices()
    expect(devices.some(({ name, type, incarnation }) => type === 'CPU' && name.endsWith('/device:CPU:0') && incarnation !== 0n)).toBe(true)
  })

  test('64 MB there and back', async () => {
    const data = new Float32Array(2 ** 24)
    data[0] = 1
    data[data.length - 1] = 2
    const [back] = await session.run({ feeds: { in_float32: { dtype: 'float32', shape: [4, 2 ** 22], data } }, fetches: ['out_float32'] })
    expect(back.shape).toEqual([4, 2 ** 22])
    const bytes = (array: HostTensor['data']): Buffer => Buffer.from((array as Float32Array).buffer, (array as Float32Array).byteOffset, (array as Float32Array).byteLength)
    expect(bytes(back.data).equals(bytes(data))).toBe(true)
  })

  test('many steps at once, each with its own answer', async () => {
    const results = await Promise.all(Array.from({ length: 64 }, (_, i) => session.run({ feeds: { x: [[i, 0]] }, fetches: ['y'] })))
    expect(results.map(([tensor]) => tensorNumbers(tensor)[0])).toEqual(Array.from({ length: 64 }, (_, i) => 3 * i))
  })

  test('a session that is closed says so', async () => {
    const own = await make(baseGraph())
    const callable = await own.makeCallable({ targets: ['nothing'] })
    await own.close()
    await own.close()
    await callable.release()
    for (const call of [() => own.run({ targets: ['nothing'] }), () => own.listDevices(), () => own.extend(baseGraph()), () => callable.run([])]) {
      await expect(call()).rejects.toMatchObject({ _tag: 'Usage', code: 'SESSION_CLOSED' })
    }
  })
}

describePeer('sessions', 'tensorflow', () => {
  const library = peerLibrary()
  let cluster: LocalCluster
  let python: PythonServers
  beforeAll(async () => {
    ;[cluster, python] = await Promise.all([run(startLocalCluster({ ps: 1, workers: 1, library, environment: { TF_CPP_MIN_LOG_LEVEL: '3' } })), startPythonServers()])
  })
  afterAll(async () => {
    python?.stop()
    await cluster?.stop()
  })

  describe('native, in this process', () => suite((graph, options) => run(nativeSession({ graph, library, ...options })), 'native', false))
  describe('native, blocking', () => suite((graph, options) => run(nativeSession({ graph, library, blocking: true, ...options })), 'blocking', false))
  describe("native, blocking, on Node's servers", () => suite((graph, options) => run(nativeSession({ graph, library, blocking: true, target: cluster.target(worker), ...options })), 'blocking', true))
  describe("native, on Node's servers", () => suite((graph, options) => run(nativeSession({ graph, library, target: cluster.target(worker), ...options })), 'native', true))
  describe("remote, on Node's servers", () => suite((graph, options) => run(remoteSession({ graph, target: cluster.target(worker), ...options })), 'remote', true))
  describe("remote, on Python's servers", () => suite((graph, options) => run(remoteSession({ graph, target: python.worker, ...options })), 'remote', true))

  test('a SavedModel, its table and its variables, by the C API', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-native-'))
    try {
      const spec = features({ origin: vocabulary({ oovBuckets: 1 }), distance: standardize() })
      const inputs = await run(spec.fit(fromRows({ origin: field.utf8(), distance: field.float32() }, [{ origin: 'SFO', distance: 1 }, { origin: 'JFK', distance: 3 }])))
      const ports = [tf.input({ name: 'origin', shape: [1] }), tf.input({ name: 'distance', shape: [1] })]
      const joined = tf.layers.concatenate().apply(ports) as tf.SymbolicTensor
      const model = tf.model({ inputs: ports, outputs: tf.layers.dense({ units: 1, name: 'late' }).apply(joined) as tf.SymbolicTensor })
      await run(exportSavedModel(model, join(folder, '1'), { inputs }))
      const native = await run(loadNativeSavedModel(join(folder, '1'), { library }))
      const ours = await run(loadSavedModel(join(folder, '1'), { runtime: 'javascript' }))
      const rows = { origin: ['SFO', 'nowhere'], distance: [2, 30] }
      const { late } = await native.call(rows)
      const expected = (await run(ours.predict(rows)))['late']!.values
      tensorNumbers(late!).forEach((value, i) => expect(value).toBeCloseTo((expected as Float32Array)[i]!, 5))
      expect(late!.shape).toEqual([2, 1])
      expect(Object.keys(native.signatures).sort()).toEqual(Object.keys(ours.signatures).sort())
      await expect(native.call(rows, 'nothing')).rejects.toMatchObject({ code: 'UNKNOWN_SIGNATURE' })
      await expect(native.call({ ...rows, more: 1 })).rejects.toMatchObject({ code: 'UNKNOWN_SIGNATURE' })
      await native.close()
      await expect(run(loadNativeSavedModel(join(folder, 'nothing'), { library }))).rejects.toMatchObject({ code: 'TF_NOT_FOUND' })
      await expect(run(loadNativeSavedModel(join(folder, '1'), { library, tags: ['train'] }))).rejects.toMatchObject({ code: 'TF_NOT_FOUND' })
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('a library that is not there, or is another one', async () => {
    await expect(run(nativeLibrary('/nowhere'))).rejects.toMatchObject({ _tag: 'MissingPeer', code: 'LIBTENSORFLOW' })
    await expect(run(nativeLibrary(process.execPath))).rejects.toMatchObject({ _tag: 'Usage', code: 'LIBTENSORFLOW_LOADED' })
    expect((await run(nativeLibrary(library))).version).toMatch(/^2\.\d+\.\d+/)
    await expect(run(nativeSession({ graph: baseGraph(), library, target: 'nowhere' }))).rejects.toMatchObject({ code: 'TARGET' })
    await expect(run(nativeSession({ graph: baseGraph(), library, config: { intraOpThreads: -1 } }))).rejects.toMatchObject({ code: 'SESSION_CONFIG' })
    await expect(run(remoteSession({ graph: baseGraph(), target: '127.0.0.1:1' }))).rejects.toMatchObject({ code: 'TF_UNAVAILABLE' })
    await expect(run(remoteSession({ graph: graphDef([{ name: 'bad', op: 'NoSuchOp' }]), target: cluster.target(worker) }))).rejects.toMatchObject({ _tag: 'Engine' })
  })

  test('nothing native is left', () => {
    expect(nativeObjects()).toEqual({ tensors: 0, graphs: 0, sessions: 0, statuses: 0, buffers: 0 })
  })

  test('a cluster tells its devices, and forgets what it is told to forget', async () => {
    for (const target of [cluster.target({ type: 'ps', index: 0 }), python.ps]) {
      const names = (await run(listServerDevices(target))).map(({ name }) => name)
      expect(names).toEqual(expect.arrayContaining(['/job:ps/replica:0/task:0/device:CPU:0', '/job:worker/replica:0/task:0/device:CPU:0']))
      const name = fresh('forgotten')
      const before = await run(remoteSession({ graph: variableGraph(name), target }))
      await before.run({ feeds: { value: 1 }, targets: ['assign'] })
      await before.close()
      await run(resetServer(target))
      const after = await run(remoteSession({ graph: variableGraph(name), target }))
      await expect(after.run({ fetches: ['read'] })).rejects.toMatchObject({ code: 'TF_FAILED_PRECONDITION' })
      await after.close()
    }
  })

  test('a server that is killed is unavailable within a second, and a new session works when it is back', async () => {
    const target = cluster.target(worker)
    const session = await run(remoteSession({ graph: baseGraph(), target }))
    await session.extend(queueGraph(fresh('queue')))
    const waits = session.run({ fetches: ['take'] }).catch((thrown: unknown) => thrown)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const start = performance.now()
    await cluster.kill(worker)
    expect(await waits).toMatchObject({ _tag: 'Engine', code: 'TF_UNAVAILABLE', position: { source: target } })
    await expect(session.run({ targets: ['nothing'] })).rejects.toMatchObject({ code: 'TF_UNAVAILABLE' })
    await expect(run(remoteSession({ graph: baseGraph(), target }))).rejects.toMatchObject({ code: 'TF_UNAVAILABLE' })
    expect(performance.now() - start).toBeLessThan(1_000)
    await cluster.restart(worker)
    await expect(session.run({ targets: ['nothing'] })).rejects.toMatchObject({ code: 'TF_ABORTED' })
    await session.close()
    const again = await run(remoteSession({ graph: baseGraph(), target }))
    expect(tensorNumbers((await again.run({ feeds: { x: [[1, 2]] }, fetches: ['y'] }))[0])).toEqual([11])
    await again.close()
  })
})
