import * as tf from '@tensorflow/tfjs'
import { batchFromRows, failure, field, fromRows } from '@millrace/core'
import { tensorTexts, tensorValue, type FeedValue, type HostTensor, type Session } from '@millrace/export'
import { expect, test } from 'vitest'
import type { IteratorState } from '../checkpoints/index.js'
import { clusterSpec } from '../cluster/index.js'
import { replicaDeviceSetter } from '../placement/index.js'
import { encodeInput, notBegun, type Told, type WorkerProgress } from './control.js'
import { prepareAsChief, prepareAsWorker } from './prepare.js'
import { rolesOf } from './roles.js'
import { workerGraph } from './worker-graph.js'
import { readPositions } from './worker-positions.js'

const GENERATION = 7

const makeGraph = () => {
  const x = tf.input({ shape: [1], name: 'x' })
  const model = tf.model({ inputs: x, outputs: tf.layers.dense({ units: 1 }).apply(x) as tf.SymbolicTensor })
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' })
  const roles = rolesOf(clusterSpec({ ps: ['h:1'], worker: ['h:2', 'h:3'] }))
  const options = { data: fromRows({ x: field.float32(), y: field.float32() }, []), label: 'y', synchronous: {} }
  return { model, graph: workerGraph(model, options, replicaDeviceSetter({ ps: roles.spec }), roles, roles.trainers[0]!) }
}

const texts = (values: readonly (string | Uint8Array)[]): HostTensor =>
  ({ dtype: 'string', shape: [values.length], data: batchFromRows({ text: field.binary() }, values.map((text) => ({ text: Buffer.from(text) }))).columns.text }) as HostTensor

const wordOf = (share: number, counted: number, more: Partial<WorkerProgress> = {}): string =>
  JSON.stringify({ ...notBegun, position: { ...notBegun.position, rows: 100 * share }, counted, driven: true, of: GENERATION, ...more } satisfies Told<WorkerProgress>)

/** Where a chief is lost: when this was done. */
type Cut = 'counts are cleared' | 'positions are set' | 'parts are thrown away'

/** Servers of a training in step of two workers, under way: of 5 and 3 batches in updates, one more was taken of the second. */
const servers = () => {
  const { model, graph } = makeGraph()
  const { control, training } = graph
  const { start, clear, parts } = training.synchronous!
  const numbers = (values: readonly bigint[], shape: readonly number[] = []): HostTensor => tensorValue('int64', shape, [...values]) as HostTensor
  const values = new Map<string, HostTensor>([
    [control.generation.name, numbers([BigInt(GENERATION)])], [control.lastStep.name, numbers([100n])], [control.training.name, numbers([0n])],
    [control.progress.name, texts([wordOf(0, 3), wordOf(1, 3, { inDoubt: 2 }), wordOf(0, 0, { driven: false }), wordOf(1, 0, { driven: false })])],
    [parts!.applied.value.name, numbers([5n, 3n], [2])], [parts!.taken.value.name, numbers([5n, 4n], [2])],
    ...[...control.over, ...control.alive].map(({ name }) => [name, numbers([0n])] as const),
  ])
  const assigned = new Map([[control.setGeneration, control.generation], [control.setLastStep, control.lastStep], [control.setProgress, control.progress]] as const)
  let cut: Cut | undefined
  const unless = (at: Cut): void => {
    if (cut === at) throw failure({ tag: 'Engine', code: 'TF_UNAVAILABLE', problem: 'the chief is lost' })
  }
  const run = async ({ feeds = [], fetches = [], targets = [] }: { readonly feeds?: readonly (readonly [string, FeedValue])[]; readonly fetches?: readonly string[]; readonly targets?: readonly string[] }) => {
    const fed = new Map(feeds)
    for (const [{ value, node }, { name }] of assigned) {
      if (!targets.includes(node.name)) continue
      const next = fed.get(value.name)
      values.set(name, typeof next === 'bigint' ? numbers([next]) : texts(next as string[]))
    }
    if (targets.includes(control.setProgress.node.name)) unless('positions are set')
    if (targets.includes(clear.name)) unless('parts are thrown away')
    if (targets.includes(start.name)) {
      for (const { value } of [parts!.applied, parts!.taken]) values.set(value.name, numbers([0n, 0n], [2]))
      unless('counts are cleared')
    }
    return fetches.map((name) => values.get(name) ?? tensorValue('bool', [], [true]) as HostTensor)
  }
  const session = { run } as unknown as Session
  return {
    graph, session, values, numbers,
    chief: (at?: Cut) => {
      cut = at
      return prepareAsChief({
        task: 'worker 0', model, graph, workers: 2, lastStep: 100, goOn: true, resume: true, bounds: {}, restore: undefined, limits: {}, onRecovery: () => undefined,
      }).prepare(session)
    },
    set: () => tensorTexts(values.get(control.progress.name)!).map((text) => (text === '' ? undefined : JSON.parse(text) as Told<WorkerProgress>)),
  }
}

test.each<{ readonly cuts: readonly Cut[] }>([
  { cuts: [] }, { cuts: ['parts are thrown away'] }, { cuts: ['positions are set'] }, { cuts: ['counts are cleared'] }, { cuts: ['counts are cleared', 'positions are set', 'counts are cleared'] },
])(
  'a chief begins again where others were lost amid that, when $cuts', async ({ cuts }) => {
    const { chief, set, values, graph } = servers()
    for (const cut of cuts) {
      await expect(chief(cut)).rejects.toMatchObject({ code: 'TF_UNAVAILABLE' })
      expect(values.get(graph.control.generation.name)).toMatchObject({ data: BigInt64Array.of(BigInt(-GENERATION)) })
    }
    const generation = await chief()
    expect(generation).toBeGreaterThan(0)
    const [first, second, ...chiefs] = set()
    expect([first, second]).toEqual([undefined, undefined])
    expect(chiefs).toMatchObject([
      { of: generation, kept: true, driven: false, counted: -2, inDoubt: 0, position: { rows: 0 } },
      { of: generation, kept: true, driven: false, counted: 0, inDoubt: 3, position: { rows: 100 } },
    ])
    expect(values.get(graph.training.synchronous!.parts!.applied.value.name)).toMatchObject({ data: BigInt64Array.of(0n, 0n) })
  },
)

test('what a worker says late, of before a beginning that was not finished, counts for nothing', async () => {
  const { chief, set, values, graph: { control } } = servers()
  await expect(chief('counts are cleared')).rejects.toMatchObject({ code: 'TF_UNAVAILABLE' })
  const [, , ...chiefs] = set()
  values.set(control.progress.name, texts([wordOf(0, 3), '', ...chiefs.map((one) => JSON.stringify(one))]))
  await chief()
  expect(set()[2]).toMatchObject({ counted: -2 })
})

test('what an update under way has taken is apart from what is in doubt since before, which alone a checkpoint keeps', async () => {
  const { session, graph } = servers()
  const [, second] = await readPositions(session, graph, GENERATION, 0, {})
  expect(second).toMatchObject({ taken: 1, progress: { inDoubt: 2 } })
})

test('where servers read, positions and doubts are those that were told with the states of what they read', async () => {
  const { session, graph: { control }, values } = servers()
  const told = (rows: number, counted: number, inDoubt?: number) => encodeInput({ of: GENERATION, position: { ...notBegun.position, rows }, counted, inDoubt, state: Uint8Array.of(rows) })
  values.set(control.inputs.name, texts([told(40, 4), '', told(0, 0), told(60, 1, 1)]))
  expect(await readPositions(session, { control, inputState: {} as IteratorState }, GENERATION, 0, {})).toMatchObject([
    { progress: { position: { rows: 40 }, counted: -1, inDoubt: undefined }, state: Uint8Array.of(40) }, { progress: { position: { rows: 60 }, counted: -2, inDoubt: 1 }, state: Uint8Array.of(60) },
  ])
})

test.each([[-GENERATION, 'begins again'], [0, 'gives values']])('a worker hears that the chief has failed for good while the generation is %i, as when it %s', async (generation) => {
  const { session, graph: { control }, graph, values, numbers } = servers()
  const prepare = prepareAsWorker(graph, 1, {}, { timeoutMs: 300 })
  expect(await prepare(session)).toBe(GENERATION)
  values.set(control.generation.name, numbers([BigInt(generation)]))
  for (const { name } of control.over) values.set(name, numbers([2n]))
  await expect(prepare(session)).rejects.toMatchObject({ code: 'CLUSTER_CHIEF_GONE' })
  // One that begins may stand before what is left of another training.
  await expect(prepareAsWorker(graph, 1, {}, { timeoutMs: 300 })(session)).rejects.toMatchObject({ code: 'CLUSTER_NOT_INITIALIZED' })
})
