import * as tf from '@tensorflow/tfjs'
import { describe, expect, test } from 'vitest'
import { describeModel, withoutWeights, type GraphNode, type ModelDescription, type Tensor, type WeightDescription } from '@millrace/export'
import { clusterSpec } from '../cluster/index.js'
import { tfRecordSource } from '../input/index.js'
import { adam, sgd } from '../optimizers/index.js'
import { trainingGraph } from '../training-graph/index.js'
import { fetchableVariables, joinFetched, replicaDeviceSetter, wholeVariables, type ReplicaDeviceSetterOptions } from './index.js'

const MIB = 1024 ** 2
const weight = (name: string, shape: readonly number[]): WeightDescription => ({ key: name.split('/').at(-1)!, name, shape, dtype: 'float32', trainable: true })
const tableOf = (rows: number, name = 'table/embeddings'): WeightDescription => weight(name, [rows, 16])

describe('replicaDeviceSetter', () => {
  const tasks = (options: ReplicaDeviceSetterOptions, ...weights: readonly WeightDescription[]): unknown[] => {
    const place = replicaDeviceSetter(options)
    return weights.map((one) => {
      const { device, partition } = place(one)
      return partition === undefined ? device : partition.devices
    })
  }
  const [ps0, ps1, ps2] = ['/job:ps/task:0', '/job:ps/task:1', '/job:ps/task:2']

  test('takes turns, in the tasks that the cluster has', () => {
    const four = ['a', 'b', 'c', 'd'].map((name) => weight(name, [2]))
    expect(tasks({ ps: 2 }, ...four)).toEqual([ps0, ps1, ps0, ps1])
    expect(tasks({ ps: clusterSpec({ worker: ['w:1'], ps: { 1: 'a:1', 2: 'b:1' } }) }, ...four)).toEqual([ps1, ps2, ps1, ps2])
    expect(tasks({ ps: clusterSpec({ servers: ['a:1'] }), job: 'servers' }, four[0]!)).toEqual(['/job:servers/task:0'])
  })

  test('fills the emptiest first', () => {
    expect(tasks({ ps: 2, strategy: 'greedy' }, weight('a', [10]), weight('b', [4]), weight('c', [5]), weight('d', [1]), weight('e', [1]))).toEqual([ps0, ps1, ps1, ps1, ps0])
  })

  test('keeps a variable where it was, whoever asks', () => {
    const place = replicaDeviceSetter({ ps: 2 })
    expect([place(weight('a', [2])), place(weight('b', [2])), place(weight('a', [2]))].map(({ device }) => device)).toEqual([ps0, ps1, ps0])
  })

  test('cuts tables of embeddings that are large, in as many parts as wanted', () => {
    const rowBytes = 16 * 4
    const limit = (64 * MIB) / rowBytes
    expect(tasks({ ps: 2 }, tableOf(limit - 1))).toEqual([ps0])
    expect(tasks({ ps: 2 }, tableOf(limit))).toEqual([[ps0, ps1]])
    expect(tasks({ ps: 2 }, weight('y/kernel', [limit, 16]))).toEqual([ps0])
    expect(tasks({ ps: 2, partition: false }, tableOf(limit))).toEqual([ps0])
    expect(tasks({ ps: 2, partition: { parts: 3 } }, tableOf(limit), weight('y/bias', [1]))).toEqual([[ps0, ps1, ps0], ps1])
    expect(tasks({ ps: 3, partition: { minBytes: 0 } }, tableOf(2))).toEqual([[ps0, ps1]])
    expect(tasks({ ps: 1 }, tableOf(limit))).toEqual([ps0])
    expect(replicaDeviceSetter({ ps: 2, partition: { layout: 'mod' } })(tableOf(limit)).partition?.layout).toBe('mod')
  })

  test.each<[string, ReplicaDeviceSetterOptions, RegExp]>([
    ['no ps', { ps: 0 }, /ps is 0/],
    ['half a ps', { ps: 1.5 }, /ps is 1.5/],
    ['no job', { ps: clusterSpec({ worker: ['w:1'] }) }, /has no job "ps"/],
    ['no parts', { ps: 2, partition: { parts: 0, minBytes: 0 } }, /parts is 0/],
  ])('refuses %s', (_, options, message) => {
    expect(() => replicaDeviceSetter(options)(tableOf(4))).toThrow(message)
  })
})

const ROWS = 2e9
const PART = ROWS / 2
const hugeModel = (): ModelDescription => {
  const ids = tf.input({ shape: [1], dtype: 'int32' })
  const make = (): tf.LayersModel => {
    const rows = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: ROWS, outputDim: 64, name: 'table' }).apply(ids)) as tf.SymbolicTensor
    return tf.model({ inputs: ids, outputs: tf.layers.dense({ units: 1, name: 'y' }).apply(rows) as tf.SymbolicTensor })
  }
  return describeModel(withoutWeights(tf, make))
}

/** All nodes that run for a tensor. */
const nodesOf = (tensor: Tensor): readonly GraphNode[] => {
  const needed = new Set<GraphNode>()
  const stack = [tensor.node]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (needed.has(node)) continue
    needed.add(node)
    stack.push(...node.control, ...node.inputs.map((input) => input.node))
  }
  return [...needed]
}

describe('a training graph of a table of 512 GB', () => {
  const made = trainingGraph(hugeModel(), {
    loss: 'meanSquaredError', optimizer: adam({ learningRate: 0.01 }), variables: replicaDeviceSetter({ ps: 2 }), device: '/job:worker/task:0',
  })

  test('is small, and takes no first values', () => {
    expect(made.graph.encode().length).toBeLessThan(100_000)
    expect(made.initialValues).toEqual({})
  })

  test('has nothing of the size of the table but on the servers', () => {
    const large = made.graph.nodes.filter(({ outputs }) => outputs.some(({ shape }) => (shape?.[0] ?? 0) >= PART))
    expect(large.length).toBeGreaterThan(0)
    expect(new Set(large.map(({ device }) => device))).toEqual(new Set(['/job:ps/task:0', '/job:ps/task:1']))
    // Of these a step runs none: they are reads for whoever wants them, and first values.
    expect(large.filter(({ op, name }) => op !== 'ReadVariableOp' && !name.startsWith('initial/'))).toEqual([])
  })

  test('looks rows up and updates them where their part is, its moments beside it', () => {
    const [first, second] = [0, 1].map((part) => made.variables.find(({ weight: { name } }) => name === `table/embeddings/part_${part}`)?.device)
    expect([first, second].sort()).toEqual(['/job:ps/task:0', '/job:ps/task:1'])
    for (const [part, device] of [first, second].entries()) {
      const own = made.variables.filter(({ weight: { name } }) => name.startsWith(`table/embeddings/part_${part}`))
      expect(own.map(({ weight, slice }) => [weight.name, slice?.name])).toEqual([
        [`table/embeddings/part_${part}`, 'table/embeddings'],
        [`table/embeddings/part_${part}/Adam`, 'table/embeddings/Adam'],
        [`table/embeddings/part_${part}/Adam_1`, 'table/embeddings/Adam_1'],
      ])
      for (const { handle } of own) {
        const users = made.graph.nodes.filter(({ inputs }) => inputs.includes(handle))
        expect(users.length).toBeGreaterThan(1)
        expect(new Set([handle.node, ...users].map((node) => node.device))).toEqual(new Set([device]))
      }
    }
  })

  test('sends ids to a part once, for the lookup and the update', () => {
    const [lookups, updates] = ['ResourceGather', 'ResourceScatterSub'].map((op) =>
      made.graph.nodes.filter((node) => node.op === op && node.inputs[0]!.node.name.startsWith('table/embeddings/part_') && !node.inputs[0]!.node.name.includes('Adam')),
    ) as [GraphNode[], GraphNode[]]
    expect(updates).toHaveLength(2)
    for (const { inputs } of updates) expect(lookups.filter((lookup) => lookup.inputs[0] === inputs[0]).map((lookup) => lookup.inputs[1])).toEqual([inputs[1]])
    expect(made.graph.nodes.filter(({ op }) => op === 'Unique')).toHaveLength(1)
  })

  test('reads each part after its own update in the steps that follow', () => {
    const { steps, variables } = trainingGraph(hugeModel(), {
      loss: 'meanSquaredError', optimizer: sgd({ learningRate: 0.01 }), variables: replicaDeviceSetter({ ps: 2 }), device: '/job:worker/task:0',
      source: tfRecordSource({ files: 'data' }), stepsPerRun: 2,
    })
    expect(steps).toHaveLength(2)
    const parts = variables.filter(({ slice }) => slice !== undefined)
    expect(parts).toHaveLength(2)
    for (const { handle } of parts) {
      const lookups = nodesOf(steps[1]!.loss).filter(({ op, inputs }) => op === 'ResourceGather' && inputs[0] === handle)
      expect(lookups.map(({ control }) => control.map((before) => [before.op, before.inputs[0]]))).toContainEqual([['ResourceScatterSub', handle]])
    }
  })

  test('says what can be fetched', () => {
    expect(wholeVariables(made.variables).map(({ name, shape }) => [name, shape]).slice(0, 3)).toEqual([['table/embeddings', [ROWS, 64]], ['y/kernel', [64, 1]], ['y/bias', [1]]])
    const names = (limit?: number): string[] => fetchableVariables(made.variables, limit).map(({ name }) => name)
    expect(names().sort()).toEqual(['global_step', 'y/bias', 'y/bias/Adam', 'y/bias/Adam_1', 'y/kernel', 'y/kernel/Adam', 'y/kernel/Adam_1'])
    expect(names(8).sort()).toEqual(['global_step', 'y/bias', 'y/bias/Adam', 'y/bias/Adam_1'])
    expect(names(Infinity)).toContain('table/embeddings')
  })
})

describe.each(['div', 'mod'] as const)('parts by %s', (layout) => {
  const rows = [...Array.from({ length: 7 }, (_, row) => [row, row + 0.5])]
  const table = tf.layers.embedding({ inputDim: 7, outputDim: 2, inputLength: 1, name: 'table', weights: [tf.tensor2d(rows)] })
  const { variables } = trainingGraph(describeModel(tf.sequential({ layers: [table, tf.layers.flatten(), tf.layers.dense({ units: 1 })] })), {
    loss: 'meanSquaredError', optimizer: adam({ learningRate: 0.01 }), variables: replicaDeviceSetter({ ps: 3, partition: { minBytes: 0, layout } }),
  })
  const [whole] = wholeVariables(variables)
  const held = layout === 'div' ? [[0, 1, 2], [3, 4], [5, 6]] : [[0, 3, 6], [1, 4], [2, 5]]
  const values = held.map((part) => Float32Array.from(part.flatMap((row) => rows[row]!)))

  test('are put together in the order of their rows', () => {
    expect(whole!.parts.map(({ weight: { shape } }) => shape)).toEqual([[3, 2], [2, 2], [2, 2]])
    expect([...joinFetched(whole!, values)]).toEqual(rows.flat())
  })

  test('have to be all there', () => {
    expect(() => joinFetched(whole!, values.slice(1))).toThrow(/parts of 6, 4, 4 elements, but 4, 4 are given/)
    expect(() => joinFetched(whole!, [values[1]!, values[0]!, values[2]!])).toThrow(/but 4, 6, 4 are given/)
  })
})
