import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, test } from 'vitest'
import { run } from '@millrace/core'
import {
  describeModel, Graph, ModelLowering, nativeSession, readModel, tensorNumbers, tensorValue, withoutWeights, type LoweredVariable, type ModelDescription,
  type Session, type Tensor, type WeightDescription,
} from '@millrace/export'
import {
  adagrad, adam, adamW, ftrl, gradients, isIndexedSlices, joinFetched, momentum, replicaDeviceSetter, rmsprop, sgd, trainingGraph, wholeVariables, type Optimizer, type SynchronousOptions,
} from '@millrace/distributed'
import { describePeer, runPython } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const layouts = ['div', 'mod'] as const
const WIDTH = 3

const tableModel = (rows: number, regularized = false): tf.LayersModel => {
  const table = tf.layers.embedding({ inputDim: rows, outputDim: WIDTH, inputLength: 2, name: 'table', ...(regularized ? { embeddingsRegularizer: tf.regularizers.l1l2({ l1: 0.01, l2: 0.02 }) } : {}) })
  const model = tf.sequential({ name: 'model', layers: [table, tf.layers.flatten(), tf.layers.dense({ units: 1, name: 'y' })] })
  model.setWeights(model.getWeights().map((weight) => tf.tensor(Array.from({ length: weight.size }, (_, at) => Math.sin(at + weight.size)), weight.shape)))
  return model
}

/** The table in parts, wherever they are; everything else whole. */
const inParts = (layout: 'div' | 'mod', parts: number) => ({ key }: WeightDescription) =>
  key === 'embeddings' ? { partition: { layout, devices: Array.from({ length: parts }, () => undefined) } } : {}

const withSession = async <A>(graph: Graph, body: (session: Session) => Promise<A>): Promise<A> => {
  const session = await run(nativeSession({ graph: graph.encode(), library: peerLibrary() }))
  try {
    return await body(session)
  } finally {
    await session.close()
  }
}

const numbers = async (session: Session, tensors: readonly Tensor[], feeds: Record<string, unknown> = {}): Promise<number[][]> => {
  const fetched = await session.run({ feeds: feeds as never, fetches: tensors.map(({ name }) => name) })
  return (fetched as readonly Parameters<typeof tensorNumbers>[0][]).map((tensor) => tensorNumbers(tensor) as number[])
}

const closeTo = (ours: readonly number[], theirs: readonly number[], what: string, within = 1e-6): void => {
  expect(ours.length, what).toBe(theirs.length)
  ours.forEach((value, at) => expect(Math.abs(value - theirs[at]!), `${what}[${at}]: ours ${value}, theirs ${theirs[at]}`).toBeLessThanOrEqual(within))
}

const flat = (nested: unknown): number[] => (Array.isArray(nested) ? (nested as unknown[]).flatMap(flat) : [nested as number])

/** The lookup alone: a model's embedding, its parts' first values, and the gradients of the rows. */
const lookupGraph = (description: ModelDescription, layout: 'div' | 'mod', parts: number) => {
  const graph = new Graph()
  const lowering = new ModelLowering(graph, { ...description, outputs: description.outputs }, { mode: 'training', variables: inParts(layout, parts) })
  const ids = graph.placeholder('ids', 'int32', [null, 2])
  const seed = graph.placeholder('seed', 'float32', [null, 2, WIDTH])
  const [value] = Object.values(lowering.apply({ [description.inputs[0]!.name]: ids })) as [Tensor]
  const slices = gradients(graph, [value], lowering.variables.map(({ handle }) => handle), { seeds: [seed] })
  const assigns = lowering.variables.map(({ handle, weight }) => graph.add('AssignVariableOp', [handle, graph.constant(weight.value!)]))
  return { graph, ids, seed, value, slices, assigns, variables: lowering.variables }
}

interface Answer {
  readonly places: readonly [Record<string, string>, string][]
  readonly lookups: readonly { readonly value: unknown; readonly gradients: readonly unknown[]; readonly errors: readonly (string | null)[] }[]
  readonly gradients: readonly { readonly ours: unknown; readonly theirs: unknown }[][]
}

const placeCases = (['roundRobin', 'greedy'] as const).flatMap((strategy) => [1, 2, 3].map((ps) => ({
  strategy, ps, parts: ps === 1 ? {} : { 'table/embeddings': ps },
  variables: [['table/embeddings', [11, 4]], ['a/kernel', [40, 30]], ['a/bias', [30]], ['b/kernel', [30, 50]], ['b/bias', [50]], ['c/kernel', [50, 1]], ['c/bias', [1]]] as const,
})))

const lookupCases = layouts.flatMap((layout) => [[10, 3], [9, 3], [11, 4], [5, 5], [6, 1]].map(([rows, parts]) => ({ layout, rows: rows!, parts: parts! })))
const idsOf = (rows: number): number[][] => [[0, rows - 1], [1, 1], [rows - 1, 2], [3, 0]]
const badOf = (rows: number): number[] => [rows, rows + 1, rows * 2 + 3, -1, -2]
const seedOf = Array.from({ length: 4 }, (_, row) => Array.from({ length: 2 }, (__, at) => Array.from({ length: WIDTH }, (___, column) => Math.cos(row * 7 + at * 3 + column))))

const gradientCases = () => {
  const make = (body: (graph: Graph) => { ys: readonly Tensor[]; xs: readonly Tensor[] }) => {
    const graph = new Graph()
    const { ys, xs } = body(graph)
    const seeds = ys.map((y, index) => graph.one('Cos', [graph.one('AddV2', [y, graph.scalar('float32', index)])]))
    const ours = gradients(graph, ys, xs, { seeds }) as Tensor[]
    const names = (tensors: readonly Tensor[]): string[] => tensors.map(({ name }) => name)
    return { graph: Buffer.from(graph.encode()).toString('base64'), ys: names(ys), xs: names(xs), seeds: names(seeds), ours: names(ours) }
  }
  const matrix = (graph: Graph, shape: readonly number[]): Tensor =>
    graph.constant(tensorValue('float32', shape, Array.from({ length: shape.reduce((product, dim) => product * dim, 1) }, (_, at) => Math.sin(at))))
  const ints = (graph: Graph, shape: readonly number[], values: readonly number[]): Tensor => graph.constant(tensorValue('int32', shape, values))
  return [
    make((graph) => {
      const x = matrix(graph, [6, 2])
      return { ys: graph.add('DynamicPartition', [x, ints(graph, [6], [0, 2, 0, 2, 2, 0])], { num_partitions: 3 }).outputs, xs: [x] }
    }),
    make((graph) => {
      const x = matrix(graph, [2, 3, 2])
      const [, second] = graph.add('DynamicPartition', [x, ints(graph, [2, 3], [0, 1, 1, 1, 0, 2])], { num_partitions: 3 }).outputs as [Tensor, Tensor]
      return { ys: [second], xs: [x] }
    }),
    ...(['DynamicStitch', 'ParallelDynamicStitch'] as const).map((op) =>
      make((graph) => {
        const xs = [matrix(graph, [2, 3]), matrix(graph, [2, 2, 3])]
        return { ys: [graph.one(op, [[ints(graph, [2], [5, 0]), ints(graph, [2, 2], [1, 3, 2, 4])], xs])], xs }
      }),
    ),
  ]
}

describePeer('placement', 'tensorflow', () => {
  let theirs: Answer
  let tables: Map<number, ModelDescription>
  const lookups = new Map<string, ReturnType<typeof lookupGraph>>()
  const key = ({ layout, rows, parts }: (typeof lookupCases)[number]): string => `${layout} ${rows} ${parts}`

  beforeAll(async () => {
    await tf.setBackend('cpu')
    tables = new Map(await Promise.all([...new Set(lookupCases.map(({ rows }) => rows))].map(async (rows) => {
      const table = tf.layers.embedding({ inputDim: rows, outputDim: WIDTH, inputLength: 2, name: 'table' })
      return [rows, await readModel(tf.sequential({ layers: [table] }))] as const
    })))
    for (const one of lookupCases) lookups.set(key(one), lookupGraph(tables.get(one.rows)!, one.layout, one.parts))
    const input = JSON.stringify({
      places: placeCases,
      lookups: lookupCases.map((one) => ({
        layout: one.layout, ids: idsOf(one.rows), seed: seedOf, bad: badOf(one.rows),
        parts: lookups.get(key(one))!.variables.map(({ weight: { value, shape } }) => Array.from({ length: shape[0]! }, (_, row) => Array.from((value!.data as Float32Array).subarray(row * WIDTH, (row + 1) * WIDTH)))),
      })),
      gradients: gradientCases(),
    })
    theirs = JSON.parse(await runPython(fileURLToPath(new URL('placement.py', import.meta.url)), { input })) as Answer
  })

  test.each(placeCases.map((one, index) => [`${one.strategy} over ${one.ps}`, one, index] as const))('%s, as replica_device_setter', (_, { strategy, ps, variables, parts }, index) => {
    const place = replicaDeviceSetter({ ps, strategy, partition: { minBytes: 1 } })
    const describe = (name: string, shape: readonly number[], dtype: 'float32' | 'int64' = 'float32'): WeightDescription => ({ key: name.split('/').at(-1)!, name, shape, dtype, trainable: true })
    const ours: Record<string, string | undefined> = {}
    const all = [...variables.map(([name, shape]) => describe(name, shape)), describe('global_step', [], 'int64')]
    for (const weight of all) {
      const { device, partition } = place(weight)
      if (partition === undefined) ours[weight.name] = device
      else partition.devices.forEach((part, at) => (ours[`${weight.name}/part_${at}`] = part))
    }
    expect(Object.keys(parts).length === 0 ? 0 : ps).toBe(Object.keys(ours).filter((name) => name.includes('/part_')).length)
    const [places, worker] = theirs.places[index]!
    for (const [name, device] of Object.entries(places)) expect([name, ours[name.replace(/\/Momentum$/, '')]]).toEqual([name, device])
    expect(worker).toBe('/job:worker/task:1')
    expect(all.map(place)).toEqual(all.map(place))
  })

  describe.each(lookupCases.map((one, index) => [`${one.rows} rows in ${one.parts} parts by ${one.layout}`, one, index] as const))('%s', (_, one, index) => {
    test('rows and gradients are those of tf.nn.embedding_lookup, and each row is asked for once', async () => {
      const { graph, ids, seed, value, slices, assigns, variables } = lookups.get(key(one))!
      expect(variables.map(({ weight: { name } }) => name)).toEqual(Array.from({ length: one.parts }, (__, part) => `table/embeddings/part_${part}`))
      await withSession(graph, async (session) => {
        await session.run({ targets: assigns.map(({ name }) => name) })
        const feeds = { [ids.name]: idsOf(one.rows), [seed.name]: seedOf }
        const all = slices.flatMap((slice) => (slice !== undefined && isIndexedSlices(slice) ? [slice.values, slice.indices] : []))
        expect(all).toHaveLength(one.parts * 2)
        const [looked, ...fetched] = await numbers(session, [value, ...all], feeds)
        const expected = theirs.lookups[index]!
        closeTo(looked!, flat(expected.value), 'rows')
        let asked = 0
        variables.forEach(({ weight }, part) => {
          const [values, rows] = [fetched[part * 2]!, fetched[part * 2 + 1]!]
          expect(new Set(rows).size).toBe(rows.length)
          asked += rows.length
          const dense = Array.from({ length: weight.shape[0]! * WIDTH }, () => 0)
          rows.forEach((row, at) => values.slice(at * WIDTH, (at + 1) * WIDTH).forEach((element, column) => (dense[row * WIDTH + column]! += element)))
          closeTo(dense, flat(expected.gradients[part]), `gradient of part ${part}`)
        })
        expect(asked).toBe(new Set(idsOf(one.rows).flat()).size)
      })
    })

    test('ids out of range are refused as TensorFlow refuses them', async () => {
      const { graph, ids, value, assigns } = lookups.get(key(one))!
      await withSession(graph, async (session) => {
        await session.run({ targets: assigns.map(({ name }) => name) })
        expect(theirs.lookups[index]!.errors).toEqual(badOf(one.rows).map(() => 'InvalidArgumentError'))
        for (const bad of badOf(one.rows)) {
          await expect(session.run({ feeds: { [ids.name]: [[0, bad]] }, fetches: [value.name] }), String(bad)).rejects.toMatchObject({ _tag: 'Engine', code: 'TF_INVALID_ARGUMENT' })
        }
      })
    })
  })

  describe('training', () => {
    const ROWS = 7
    /** The third one looks into one part only. */
    const batches = Array.from({ length: 6 }, (_, step) => ({
      ids: Array.from({ length: 4 }, (__, row) => (step === 2 ? [0, 0] : [(step * 3 + row * 2) % ROWS, (step + row * row) % ROWS])),
      label: Array.from({ length: 4 }, (__, row) => [Math.sin(step + row)]),
    }))

    /** Losses of some steps, and the variables after them, put together. */
    const train = async (
      model: ModelDescription, optimizer: Optimizer, variables: (weight: WeightDescription) => object, synchronous?: SynchronousOptions,
    ): Promise<Map<string, number[]>> => {
      const made = trainingGraph(model, { loss: 'meanSquaredError', optimizer, variables, synchronous })
      return withSession(made.graph, async (session) => {
        await session.run({ targets: [made.initialize.name] })
        if (made.synchronous !== undefined) await session.run({ targets: [made.synchronous.start.name] })
        const losses: number[] = []
        for (const { ids, label } of batches) {
          const feeds = { [Object.values(made.inputs)[0]!.name]: ids, [Object.values(made.labels)[0]!.name]: label }
          const [loss] = await session.run({ feeds, fetches: [made.loss.name], targets: [made.train.name] })
          losses.push(tensorNumbers(loss)[0] as number)
          if (made.synchronous !== undefined) await session.run({ targets: [made.synchronous.update.name] })
        }
        const after = new Map([['losses', losses]])
        for (const whole of wholeVariables(made.variables)) {
          const parts = await numbers(session, whole.parts.map(({ value }) => value))
          after.set(whole.name, whole.parts.length === 1 ? parts[0]! : [...joinFetched(whole, parts.map((part) => Float32Array.from(part)))])
        }
        return after
      })
    }

    const learningRate = 0.05
    const optimizers: readonly Optimizer[] = [
      sgd({ learningRate }), momentum({ learningRate }), adagrad({ learningRate }), rmsprop({ learningRate, centered: true, momentum: 0.5 }), adam({ learningRate }),
      adam({ learningRate, sparse: 'dense' }), adamW({ learningRate }), ftrl({ learningRate, l1: 0.01 }), sgd({ learningRate, clip: { globalNorm: 0.1 } }),
    ]
    test.each(optimizers.map((optimizer) => [`${optimizer.name}${optimizer.sparse === 'dense' ? ', dense' : ''}${optimizer.clip === undefined ? '' : ', clipped'}`, optimizer] as const))(
      'a table in parts as one that is whole: %s', async (_, optimizer) => {
        const model = await readModel(tableModel(ROWS))
        const whole = await train(model, optimizer, () => ({}))
        for (const layout of layouts) {
          const parts = await train(model, optimizer, inParts(layout, 3))
          expect([...parts.keys()]).toEqual([...whole.keys()])
          for (const [name, values] of parts) closeTo(values, whole.get(name)!, `${name} by ${layout}`, 2e-6)
        }
      },
    )

    test('in step with other workers, whose gradients are gathered part by part', async () => {
      const model = await readModel(tableModel(ROWS))
      const optimizer = adam({ learningRate })
      const whole = await train(model, optimizer, () => ({}))
      for (const layout of layouts) {
        for (const [name, values] of await train(model, optimizer, inParts(layout, 3), { workers: 1, worker: 0 })) closeTo(values, whole.get(name)!, `${name} by ${layout}`, 2e-6)
      }
    })

    test('a regulariser, which reads all of the table, counts all parts', async () => {
      const model = await readModel(tableModel(ROWS, true))
      const [plain, whole] = [await train(await readModel(tableModel(ROWS)), optimizers[0]!, () => ({})), await train(model, optimizers[0]!, () => ({}))]
      expect(Math.abs(plain.get('losses')![0]! - whole.get('losses')![0]!)).toBeGreaterThan(0.1)
      for (const layout of layouts) {
        for (const [name, values] of await train(model, optimizers[0]!, inParts(layout, 3))) closeTo(values, whole.get(name)!, `${name} by ${layout}`, 2e-6)
      }
    })
  })

  test('gradients of DynamicPartition and DynamicStitch', () => {
    expect(theirs.gradients.map((pairs) => pairs.length)).toEqual([1, 1, 2, 2])
    theirs.gradients.flat().forEach(({ ours, theirs: expected }, at) => closeTo(flat(ours), flat(expected), `case ${at}`))
  })

  describe('first values are drawn where variables are, as TensorFlow.js draws them', () => {
    const SHAPE = [60, 400] as const
    const random = [
      'randomNormal', 'randomUniform', 'truncatedNormal', 'glorotNormal', 'glorotUniform', 'heNormal', 'heUniform', 'leCunNormal', 'leCunUniform',
    ] as const
    const exact = ['zeros', 'ones', 'identity'] as const

    const made = async (model: tf.LayersModel, variables: (weight: WeightDescription) => object = () => ({})): Promise<{ values: Map<string, number[]>; variables: readonly LoweredVariable[] }> => {
      const graph = trainingGraph(describeModel(model), { loss: 'meanSquaredError', optimizer: sgd({ learningRate: 0 }), variables })
      expect(graph.initialValues).toEqual({})
      const own = graph.variables.filter(({ weight }) => weight.initializer !== undefined)
      const values = await withSession(graph.graph, async (session) => {
        await session.run({ targets: [graph.initialize.name] })
        return numbers(session, own.map(({ value }) => value))
      })
      return { values: new Map(own.map(({ weight: { name } }, at) => [name, values[at]!])), variables: own }
    }
    const denseModel = (kernelInitializer: (typeof random | typeof exact)[number] | ReturnType<typeof tf.initializers.orthogonal>, shape: readonly number[]): tf.LayersModel =>
      withoutWeights(tf, () => tf.sequential({ layers: [tf.layers.dense({ units: shape[1]!, inputShape: [shape[0]!], kernelInitializer: kernelInitializer as 'zeros', name: 'y' })] }))
    const moments = (values: readonly number[]): { mean: number; deviation: number; least: number; most: number } => {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length
      return { mean, deviation: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length), least: Math.min(...values), most: Math.max(...values) }
    }
    const sameDistribution = (ours: readonly number[], theirs: readonly number[], what: string): void => {
      const [a, b] = [moments(ours), moments(theirs)]
      const error = b.deviation / Math.sqrt(theirs.length)
      expect(Math.abs(a.mean - b.mean), `${what}: means`).toBeLessThan(6 * error)
      expect(Math.abs(a.deviation / b.deviation - 1), `${what}: deviations`).toBeLessThan(0.03)
      // Tails of a normal are where they happen to be; those that are cut are at the cut.
      expect(Math.abs(a.most / b.most - 1), `${what}: largest`).toBeLessThan(what === 'randomNormal' ? 0.35 : 0.01)
      expect(Math.abs(a.least / b.least - 1), `${what}: least`).toBeLessThan(what === 'randomNormal' ? 0.35 : 0.01)
    }

    test.each(random)('%s', async (name) => {
      const theirs = [...tf.initializers[name]({}).apply([...SHAPE]).dataSync()]
      const { values } = await made(denseModel(name, SHAPE))
      sameDistribution(values.get('y/kernel')!, theirs, name)
    })

    test.each(layouts)('a table in parts by %s: as wide as the whole asks for, other numbers in each part', async (layout) => {
      const model = withoutWeights(tf, () => tf.sequential({ layers: [tf.layers.embedding({ inputDim: 4001, outputDim: 6, inputLength: 1, embeddingsInitializer: 'glorotUniform', name: 'table' }), tf.layers.flatten(), tf.layers.dense({ units: 1 })] }))
      const { values, variables } = await made(model, inParts(layout, 2))
      const [first, second] = [values.get('table/embeddings/part_0')!, values.get('table/embeddings/part_1')!]
      expect([first.length, second.length]).toEqual([2001 * 6, 2000 * 6])
      expect(first.slice(0, 60).filter((value, at) => value === second[at])).toEqual([])
      const [whole] = wholeVariables(variables)
      const joined = joinFetched(whole!, [first, second].map((part) => Float32Array.from(part)))
      sameDistribution([...joined], [...tf.initializers.glorotUniform({}).apply([4001, 6]).dataSync()], 'glorotUniform')
    })

    test.each(exact)('%s', async (name) => {
      const theirs = [...tf.initializers[name]({} as never).apply([5, 5]).dataSync()]
      expect((await made(denseModel(name, [5, 5]))).values.get('y/kernel')).toEqual(theirs)
    })

    test.each([[30, 4], [4, 30], [7, 7]])('orthogonal, %i by %i', async (rows, columns) => {
      const { values } = await made(denseModel(tf.initializers.orthogonal({ gain: 2 }), [rows, columns]))
      const matrix = tf.tensor2d(values.get('y/kernel')!, [rows, columns])
      const products = rows >= columns ? tf.matMul(matrix, matrix, true) : tf.matMul(matrix, matrix, false, true)
      closeTo([...products.dataSync()], [...tf.eye(Math.min(rows, columns)).mul(4).dataSync()], 'products', 1e-5)
    })

    test('constant; two layers alike differ; a new session draws the same', async () => {
      const layers = (): tf.LayersModel => withoutWeights(tf, () => tf.sequential({
        layers: [tf.layers.dense({ units: 8, inputShape: [8], name: 'a', biasInitializer: tf.initializers.constant({ value: 0.5 }) }), tf.layers.dense({ units: 8, name: 'b' })],
      }))
      const { values } = await made(layers())
      expect(values.get('a/bias')).toEqual(Array.from({ length: 8 }, () => 0.5))
      expect(values.get('a/kernel')).not.toEqual(values.get('b/kernel'))
      expect((await made(layers())).values).toEqual(values)
    })

    test('what makes a whole matrix makes no parts', async () => {
      const model = withoutWeights(tf, () => tf.sequential({ layers: [tf.layers.embedding({ inputDim: 9, outputDim: 2, inputLength: 1, embeddingsInitializer: 'orthogonal' }), tf.layers.flatten(), tf.layers.dense({ units: 1 })] }))
      await expect(made(model, inParts('div', 2))).rejects.toThrow(/Orthogonal makes "embedding.*\/embeddings" as a whole, but it is in parts/)
    })
  })
})
