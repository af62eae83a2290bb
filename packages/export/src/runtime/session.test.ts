import { describe, expect, test } from 'vitest'
import { Graph } from '../graph/index.js'
import { tensorflow } from '../proto/index.js'
import { numericTensor, type HostTensor } from '../tensor/host-tensor.js'
import { feedTensor, type FeedValue } from './feed-value.js'
import { GraphInputs } from './graph-inputs.js'
import { configProto, type SessionConfig } from './session-config.js'
import { sessionOf, type CallLimits, type SessionEngine, type Step } from './session.js'
import { deadlineFailure, statusFailure } from './status.js'
import { targetName, tensorName } from './tensor-name.js'
import { tensorNumbers, tensorTexts } from './tensor-values.js'

/** What the engine was asked, and answers that tell the names apart. */
const recording = (): { asked: { feeds: string[]; fetches: readonly string[]; targets: readonly string[]; limits: CallLimits }[]; engine: SessionEngine } => {
  const asked: ReturnType<typeof recording>['asked'] = []
  const answer = (name: string): HostTensor => numericTensor('float32', [], Float32Array.of(name.length))
  return {
    asked,
    engine: {
      runtime: { kind: 'remote', target: 'grpc://a:1' },
      inputOf: () => undefined,
      run: async (feeds, fetches, targets, limits) => {
        asked.push({ feeds: [...feeds.keys()], fetches, targets, limits })
        return fetches.map(answer)
      },
      makeCallable: async (_, fetches) => ({ run: async () => fetches.map(answer), release: async () => undefined }),
      extend: async () => undefined,
      listDevices: async () => [],
      close: async () => undefined,
    },
  }
}

describe('sessionOf', () => {
  test('gives engines full names, once each, and their time', async () => {
    const { asked, engine } = recording()
    const session = sessionOf(engine, 7_000)
    const { long, short } = await session.run({ feeds: { x: 1, 'scope/y:1': 2 }, fetches: { long: 'longer', short: 'a:0' }, targets: ['t', 't:0'] })
    expect([long, short].map(tensorNumbers)).toEqual([[8], [3]])
    const twice = await session.run({ fetches: ['a', 'a:0', 'bb'] }, { timeoutMs: Infinity })
    expect(twice.map(tensorNumbers)).toEqual([[3], [3], [4]])
    expect(asked).toEqual([
      { feeds: ['x:0', 'scope/y:1'], fetches: ['longer:0', 'a:0'], targets: ['t'], limits: { timeoutMs: 7_000, signal: undefined } },
      { feeds: [], fetches: ['a:0', 'bb:0'], targets: [], limits: { timeoutMs: Infinity, signal: undefined } },
    ])
    for (const timeoutMs of [0, -1, NaN]) await expect(session.run({ fetches: ['a'] }, { timeoutMs })).rejects.toMatchObject({ code: 'TIMEOUT' })
    expect(() => sessionOf(engine, 0)).toThrow(/timeoutMs is 0/)
  })
})

test('calls of a session that make no sense reject with an error of ours', async () => {
  const session = sessionOf(recording().engine)
  const wrong = async (code: string, step: unknown): Promise<void> => {
    await expect(session.run(step as Step), JSON.stringify(step)).rejects.toMatchObject({ _tag: code === 'BAD_FEED' ? 'Schema' : 'Usage', code })
  }
  for (const step of [undefined, null, 'y', { feeds: 1 }, { feeds: null }, { fetches: 'y' }, { fetches: null }, { targets: 'y' }]) await wrong('BAD_STEP', step)
  for (const fetches of [[undefined], [null], [7], [{}], { y: undefined }]) await wrong('TENSOR_NAME', { fetches })
  await wrong('TENSOR_NAME', { targets: [undefined] })
  for (const fed of [{}, { shape: [1] }, { values: [1] }, { values: 1, shape: [] }]) await wrong('BAD_FEED', { feeds: { x: fed }, fetches: ['y'] })
  await expect(session.makeCallable(undefined as never)).rejects.toMatchObject({ code: 'BAD_STEP' })
  for (const graph of [new Graph(), undefined, 'graph']) await expect(session.extend(graph as never)).rejects.toMatchObject({ _tag: 'Model', code: 'GRAPH_BYTES' })
})

test('a callable that was released runs no more', async () => {
  const callable = await sessionOf(recording().engine).makeCallable({ fetches: ['y'] })
  expect((await callable.run([])).map(tensorNumbers)).toEqual([[3]])
  await expect(callable.run(undefined as never)).rejects.toMatchObject({ _tag: 'Usage', code: 'FEED_COUNT' })
  await callable.release()
  await callable.release()
  await expect(callable.run([])).rejects.toMatchObject({ _tag: 'Usage', code: 'CALLABLE_RELEASED' })
})

describe('names', () => {
  test('get their index, or lose it', () => {
    expect(['x', 'x:0', 'x:12', 'a/b/c', '.x'].map((name) => tensorName(name))).toEqual(['x:0', 'x:0', 'x:12', 'a/b/c:0', '.x:0'])
    expect([targetName('x:0'), targetName({ name: 'x' })]).toEqual(['x', 'x'])
    for (const name of ['', ':0', '^x', 'x:', 'x:01', 'x:a', 'x y', 'x\0', '_x', 'x:0:0']) expect(() => tensorName(name)).toThrow(expect.objectContaining({ code: 'TENSOR_NAME' }) as Error)
  })
})

describe('feeds', () => {
  const own = (value: unknown): HostTensor => feedTensor('x:0', value as FeedValue, undefined)

  test('of unknown placeholders have a dtype of their own', () => {
    const of = (value: unknown): [string, readonly number[]] => [own(value).dtype, own(value).shape]
    expect(of(1)).toEqual(['float32', []])
    expect(of([[1, 2]])).toEqual(['float32', [1, 2]])
    expect(of(1n)).toEqual(['int64', []])
    expect(of([true])).toEqual(['bool', [1]])
    expect(of('a')).toEqual(['string', []])
    expect(of([])).toEqual(['float32', [0]])
    expect(of({ values: Int16Array.of(1, 2), shape: [2, 1] })).toEqual(['int16', [2, 1]])
    expect(of({ dtype: 'int32', shape: [2], dataSync: () => Int32Array.of(1, 2) })).toEqual(['int32', [2]])
    for (const [array, dtype] of [[new Float64Array(1), 'float64'], [new BigUint64Array(1), 'uint64'], [new Uint8Array(1), 'uint8'], [new Uint32Array(1), 'uint32']]) expect(of(array)[0]).toBe(dtype)
  })

  test('that fit nothing are named', () => {
    for (const value of [null, undefined, { a: 1 }, [null], [[1], [2, 3]], { values: [1, 2], shape: [3] }, { values: [], shape: [-1] }, { dtype: 'complex64', shape: [], data: new Float32Array(2) },
      { dtype: 'string', shape: [1], data: Float32Array.of(1) }, { dtype: 'float32', shape: [1], data: ['a'] }]) {
      expect(() => own(value), JSON.stringify(value)).toThrow(expect.objectContaining({ _tag: 'Schema', code: 'BAD_FEED', position: { column: 'x:0' } }) as Error)
      expect(() => feedTensor('x:0', value as FeedValue, { dtype: 'float32', shape: undefined })).toThrow(expect.objectContaining({ _tag: 'Schema', code: 'BAD_FEED' }) as Error)
    }
  })

  test('are compared with the placeholder', () => {
    const graph = new Graph()
    graph.placeholder('x', 'int32', [null, 2])
    graph.placeholder('half', 'float16', undefined)
    graph.scalar('string', 'a', 'text')
    const inputs = new GraphInputs()
    inputs.add(graph.encode())
    expect(inputs.of('x:0')).toEqual({ dtype: 'int32', shape: [-1, 2] })
    expect(inputs.of('text:0')).toEqual({ dtype: 'string', shape: undefined })
    expect([inputs.of('x:1'), inputs.of('nowhere:0')]).toEqual([undefined, undefined])
    expect(feedTensor('x:0', [[1, 2]], inputs.of('x:0'))).toEqual({ dtype: 'int32', shape: [1, 2], data: Int32Array.of(1, 2) })
    expect(() => feedTensor('x:0', [1, 2], inputs.of('x:0'))).toThrow(/a int32\[2\] was given where the graph takes a int32\[\?,2\]/)
    expect(() => feedTensor('x:0', { dtype: 'float32', shape: [1, 2], data: new Float32Array(2) }, inputs.of('x:0'))).toThrow(/float32\[1,2\] was given/)
    expect(feedTensor('half:0', [1], inputs.of('half:0')).data).toEqual(Uint16Array.of(0x3c00))
    expect(feedTensor('half:0', Uint16Array.of(7), inputs.of('half:0'))).toEqual({ dtype: 'float16', shape: [1], data: Uint16Array.of(7) })
    const broken = new GraphInputs()
    broken.add(Uint8Array.of(255, 255))
    expect(() => broken.of('x:0')).toThrow(expect.objectContaining({ code: 'GRAPH_BYTES' }) as Error)
  })
})

describe('statuses', () => {
  test('have TensorFlow\'s names, and what to do', () => {
    expect(statusFailure(14, 'gone.', 'grpc://a:1')).toMatchObject({ _tag: 'Engine', code: 'TF_UNAVAILABLE', problem: 'gone', position: { source: 'grpc://a:1' } })
    expect(statusFailure(2, '').message).toBe('TensorFlow answered UNKNOWN.')
    expect(statusFailure(99, 'odd').code).toBe('TF_STATUS_99')
    expect(deadlineFailure(5).message).toContain('the step did not end within 5 ms')
    expect(deadlineFailure(5, undefined, 'making the session').message).toContain('making the session did not end within 5 ms')
    const long = statusFailure(3, 'x'.repeat(5_000))
    expect(long.problem).toHaveLength(1_001)
    expect(long.cause).toHaveLength(5_000)
  })
})

describe('values', () => {
  test('as numbers and as text', () => {
    expect(tensorNumbers(numericTensor('int64', [1], BigInt64Array.of(-5n)))).toEqual([-5])
    expect(() => tensorNumbers(numericTensor('int64', [1], BigInt64Array.of(2n ** 60n)))).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE' }) as Error)
    expect(() => tensorTexts(numericTensor('int32', [1], Int32Array.of(1)))).toThrow(expect.objectContaining({ code: 'WRONG_DTYPE' }) as Error)
    expect(tensorTexts(feedTensor('x', ['a', 'é', Uint8Array.of(255)], { dtype: 'string', shape: undefined }))).toEqual(['a', 'é', '\ufffd'])
  })
})

describe('session configuration', () => {
  test('has the numbers of ConfigProto on the wire', () => {
    const gpu = (config: SessionConfig['gpu']): string => Buffer.from(tensorflow.ConfigProto.encode(configProto({ gpu: config })).finish()).toString('hex')
    // As TensorFlow writes them in Python; gpu_options is field 6, allow_soft_placement field 7 (config.proto).
    const fields = { per_process_gpu_memory_fraction: '09000000000000e03f', allow_growth: '2001', visible_device_list: '2a03302c32' }
    expect(gpu({ memoryFraction: 0.5 })).toBe(`3209${fields.per_process_gpu_memory_fraction}3801`)
    expect(gpu({ allowGrowth: true })).toBe(`3202${fields.allow_growth}3801`)
    expect(gpu({ visibleDevices: '0,2' })).toBe(`3205${fields.visible_device_list}3801`)
    expect(gpu({})).toBe('32003801')
  })

  test('is checked', () => {
    expect(configProto()).toMatchObject({ allowSoftPlacement: true, isolateSessionState: false })
    expect(configProto({ gpu: { allowGrowth: true }, deviceCount: { GPU: 0 } })).toMatchObject({ gpuOptions: { allowGrowth: true }, deviceCount: { GPU: 0 } })
    for (const config of [{ interOpThreads: 1.5 }, { deviceCount: { CPU: -1 } }, { gpu: { memoryFraction: 2 } }]) expect(() => configProto(config)).toThrow(expect.objectContaining({ code: 'SESSION_CONFIG' }) as Error)
  })
})
