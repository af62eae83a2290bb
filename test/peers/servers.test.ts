import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { run } from '@millrace/core'
import { clusterSpec, listServerDevices, startLocalCluster, startTensorFlowServer, toTfConfig, type LocalCluster, type Task } from '@millrace/distributed'
import { nativeLibrary } from '@millrace/export'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { describePeer } from '../support/peer.js'
import { buildProgram } from '../support/program.js'
import { freePort } from '../support/free-port.js'
import { peerLibrary } from '../support/session-servers.js'

const quiet = { TF_CPP_MIN_LOG_LEVEL: '3' }
const bin = fileURLToPath(new URL(`../../packages/distributed/${(createRequire(import.meta.url)('../../packages/distributed/package.json') as { bin: Record<string, string> }).bin['millrace-server']!}`, import.meta.url))

const runBin = (environment: Record<string, string>, ...args: string[]): { child: ReturnType<typeof spawn>; said: () => string; ended: Promise<number | null> } => {
  const child = spawn(process.execPath, [bin, ...args], { env: { ...process.env, LIBTENSORFLOW: peerLibrary(), ...quiet, ...environment } })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  return { child, said: () => said, ended: once(child, 'close').then(([code]) => code as number | null) }
}

/** True while somebody answers at the target. */
const answers = async (target: string): Promise<boolean> => {
  try {
    await run(listServerDevices(target, { timeoutMs: 1_000 }))
    return true
  } catch {
    return false
  }
}

const eventually = async (condition: () => Promise<boolean>): Promise<void> => {
  const end = performance.now() + 20_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('it did not come about')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

describePeer('servers', 'tensorflow', () => {
  const library = peerLibrary()

  test('millrace-server runs the task of TF_CONFIG until it is told to end', async () => {
    const address = `127.0.0.1:${await freePort()}`
    const { child, said, ended } = runBin({ TF_CONFIG: toTfConfig({ spec: clusterSpec({ worker: [address] }), task: { type: 'worker', index: 0 } }) })
    await eventually(async () => said().includes('serves worker 0') && answers(address))
    expect((await run(listServerDevices(address))).map(({ name }) => name)).toContain('/job:worker/replica:0/task:0/device:CPU:0')
    child.kill('SIGTERM')
    await ended
    expect(await answers(address)).toBe(false)
  })

  test.each([
    [{}, /TF_CONFIG is not set/],
    [{ TF_CONFIG: '{"cluster": {"worker": ["127.0.0.1:1"]}}' }, /names no task/],
    [{ TF_CONFIG: '{"cluster": {"worker": ["127.0.0.1:1"]}, "task": {"type": "worker", "index": 0}}', LIBTENSORFLOW: '/nowhere' }, /no libtensorflow at \/nowhere.*pip install tensorflow/],
  ])('millrace-server says what it lacks: %#', async (environment: Record<string, string>, message) => {
    const { said, ended } = runBin({ TF_CONFIG: '', ...environment })
    expect(await ended).toBe(1)
    expect(said()).toMatch(message)
  })

  test('millrace-server says of a protocol that TensorFlow does not speak it, in one line', async () => {
    const { said, ended } = runBin({ TF_CONFIG: toTfConfig({ spec: clusterSpec({ worker: [`127.0.0.1:${await freePort()}`] }), task: { type: 'worker', index: 0 }, rpcLayer: 'pigeons' }) })
    expect(await ended).toBe(1)
    expect(said()).toMatch(/^millrace-server: TensorFlow has no server that speaks "pigeons"\. .*rpc_layer.*\n$/m)
  })

  test('millrace-server explains itself', async () => {
    const { said, ended } = runBin({}, '--help')
    expect(await ended).toBe(0)
    expect(said()).toContain('TF_CONFIG')
  })

  test('a server in this process; its port is then taken, and a task has to be in the cluster', async () => {
    const address = `127.0.0.1:${await freePort()}`
    const options = { cluster: { worker: [address] }, job: 'worker', task: 0, library }
    const server = await run(startTensorFlowServer(options))
    expect(server).toEqual({ target: `grpc://${address}`, version: (await run(nativeLibrary(library))).version })
    expect(await answers(server.target)).toBe(true)
    const taken = { _tag: 'Engine', code: 'SERVER_NOT_STARTED', message: expect.stringMatching(new RegExp(`worker 0 could not be started at ${address}: .*another process may listen at port`, 'i')) as string }
    await expect(run(startTensorFlowServer(options))).rejects.toMatchObject(taken)
    await expect(run(startTensorFlowServer({ ...options, task: 1 }))).rejects.toMatchObject({ code: 'CLUSTER_TASK' })
  })

  test('servers of a cluster end when it is stopped, and when its program is killed', async () => {
    const cluster: LocalCluster = await run(startLocalCluster({ ps: 1, workers: 2, chief: true, library, environment: quiet }))
    const targets = cluster.spec.jobs.flatMap(({ name, tasks }) => tasks.map(({ index }) => cluster.target({ type: name, index })))
    expect(targets).toHaveLength(4)
    expect(() => cluster.target({ type: 'ps', index: 1 })).toThrow(/no task ps 1/)
    // One after the other, while the other one is still gone.
    const two: readonly Task[] = [{ type: 'ps', index: 0 }, { type: 'worker', index: 1 }]
    for (const task of two) await cluster.kill(task)
    for (const task of two) await cluster.restart(task)
    expect((await run(listServerDevices(targets[0]!))).length).toBeGreaterThanOrEqual(4)
    await cluster.stop()
    for (const target of targets) expect(await answers(target)).toBe(false)

    const program = await buildProgram(`
      import { run } from '@millrace/core'
      import { startLocalCluster } from '@millrace/distributed'
      const cluster = await run(startLocalCluster({ library: ${JSON.stringify(library)} }))
      console.log(cluster.target({ type: 'worker', index: 0 }))
      setInterval(() => undefined, 1000)
    `, 'cluster-parent')
    const parent = spawn(process.execPath, [program], { env: { ...process.env, ...quiet }, stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(parent.stdout, 'data')) as [Buffer]
    const target = line.toString().trim()
    expect(await answers(target)).toBe(true)
    parent.kill('SIGKILL')
    await eventually(async () => !(await answers(target)))
  })

  test('a cluster that cannot start says why', async () => {
    await expect(run(startLocalCluster({ library: '/nowhere' }))).rejects.toMatchObject({ _tag: 'MissingPeer', code: 'LIBTENSORFLOW', message: expect.stringContaining('no libtensorflow at /nowhere') as string })
    await expect(run(startLocalCluster({ ps: -1 }))).rejects.toMatchObject({ code: 'CLUSTER_SIZE' })
    await expect(run(startLocalCluster({ library }), { signal: AbortSignal.abort() })).rejects.toMatchObject({ _tag: 'Aborted' })
  })

  test('a program with native steps that wait can end', async () => {
    const program = await buildProgram(`
      import { run } from '@millrace/core'
      import { nativeSession } from '@millrace/export'
      import { attr, graphDef } from './test/support/graph-def.ts'
      const graph = graphDef([
        { name: 'q', op: 'FIFOQueueV2', attr: { component_types: attr.types(9), capacity: attr.i(-1), shared_name: attr.s('q') } },
        { name: 'take', op: 'QueueDequeueV2', input: ['q'], attr: { component_types: attr.types(9) } },
      ])
      const session = await run(nativeSession({ graph, library: ${JSON.stringify(library)} }))
      session.run({ fetches: ['take'] }).catch(() => undefined)
      setTimeout(() => process.exit(7), 200)
    `, 'waiting-step')
    const child = spawn(process.execPath, [program], { env: { ...process.env, ...quiet }, stdio: 'ignore' })
    const start = performance.now()
    const [code] = (await once(child, 'close')) as [number | null]
    expect(code).toBe(7)
    expect(performance.now() - start).toBeLessThan(20_000)
  })

  test('steps that wait for each other on too few threads end with a reason', async () => {
    const program = await buildProgram(`
      import { run } from '@millrace/core'
      import { nativeSession } from '@millrace/export'
      import { attr, graphDef } from './test/support/graph-def.ts'
      const graph = graphDef([
        { name: 'q', op: 'FIFOQueueV2', attr: { component_types: attr.types(9), capacity: attr.i(-1), shared_name: attr.s('q') } },
        { name: 'take', op: 'QueueDequeueV2', input: ['q'], attr: { component_types: attr.types(9) } },
        { name: 'nothing', op: 'NoOp' },
      ])
      const session = await run(nativeSession({ graph, library: ${JSON.stringify(library)} }))
      const waiting = [1, 2, 3].map(() => session.run({ fetches: ['take'] }, { timeoutMs: 3000 }).catch((error) => error.code))
      const late = await session.run({ targets: ['nothing'] }, { timeoutMs: 300 }).catch((error) => error.message)
      const stop = new AbortController()
      const stopped = session.run({ targets: ['nothing'] }, { signal: stop.signal }).catch((error) => error._tag)
      stop.abort()
      console.log(JSON.stringify([late, await stopped, await Promise.all(waiting), await session.run({ targets: ['nothing'] })]))
      await session.close()
    `, 'too-few-threads')
    const child = spawn(process.execPath, [program], { env: { ...process.env, ...quiet, UV_THREADPOOL_SIZE: '4' }, stdio: ['ignore', 'pipe', 'ignore'] })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await once(child, 'close')
    expect(JSON.parse(said)).toEqual([expect.stringContaining('UV_THREADPOOL_SIZE'), 'Aborted', new Array(3).fill('TF_DEADLINE_EXCEEDED'), []])
  })
})
