import * as tf from '@tensorflow/tfjs'
import { describe, expect, test } from 'vitest'
import { features, field, fromRows, greaterThan, label, run, standardize } from '@millrace/core'
import { describeModel, type GraphNode, type Tensor, type WeightDescription } from '@millrace/export'
import { tfRecordSource } from '../input/index.js'
import { adam, sgd } from '../optimizers/index.js'
import { trainingGraph, type TrainingGraph, type TrainingGraphOptions } from './index.js'

const model = (): tf.LayersModel => {
  const [x, id] = [tf.input({ shape: [1], name: 'x' }), tf.input({ shape: [1], name: 'id', dtype: 'int32' })]
  const rows = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: 100, outputDim: 2, name: 'table' }).apply(id)) as tf.SymbolicTensor
  const hidden = tf.layers.dense({ units: 3, name: 'hidden', kernelRegularizer: tf.regularizers.l2({ l2: 0.1 }) }).apply(tf.layers.concatenate().apply([x, rows]))
  return tf.model({ inputs: [x, id], outputs: tf.layers.dense({ units: 1, name: 'y' }).apply(hidden) as tf.SymbolicTensor })
}
const description = describeModel(model())
const source = tfRecordSource({ files: 'data' })
const worker = '/job:worker/task:0'
const variables = ({ name }: WeightDescription) => ({ device: `/job:ps/task:${name.startsWith('table') ? 1 : 0}` })
const make = (options: Partial<TrainingGraphOptions> = {}): TrainingGraph =>
  trainingGraph(description, { loss: 'meanSquaredError', optimizer: sgd({ learningRate: 0.1 }), source, device: worker, variables, ...options })

/** All that has to run for some nodes. */
const neededBy = (...targets: readonly GraphNode[]): Set<GraphNode> => {
  const needed = new Set<GraphNode>()
  const stack = [...targets]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (needed.has(node)) continue
    needed.add(node)
    stack.push(...node.control, ...node.inputs.map((tensor) => tensor.node))
  }
  return needed
}

/** What goes from one device to another: ops of tensors, `^` for a mere signal. */
const sent = (...targets: readonly GraphNode[]): string[] => {
  const edges = new Map<string, string>()
  const note = (from: GraphNode, to: GraphNode, what: string): void => {
    if (from.device !== to.device) edges.set(`${what} ${from.name} ${to.device}`, `${from.device.slice(5)} > ${to.device.slice(5)} ${what}`)
  }
  for (const node of neededBy(...targets)) {
    for (const input of node.inputs) note(input.node, node, input.node.op)
    for (const before of node.control) note(before, node, `^${before.op}`)
  }
  return [...edges.values()].sort()
}

describe('steps of a run', () => {
  test('are a pure function: equal arguments give equal bytes', () => {
    for (const options of [{ stepsPerRun: 3 }, { stepsPerRun: 2, synchronous: { workers: 3, worker: 1, aggregate: 2 } }]) {
      expect(Buffer.compare(make(options).graph.encode(), make(options).graph.encode())).toBe(0)
    }
  })

  test('send what a step has to send, each of it once', () => {
    const { train, loss } = make({ optimizer: adam({ learningRate: 0.1 }) })
    expect(sent(train, loss.node)).toEqual([
      'ps/task:0 > ps/task:1 Cast',
      'ps/task:0 > worker/task:0 ConcatV2',
      'ps/task:1 > ps/task:0 ^ResourceScatterSub',
      'ps/task:1 > worker/task:0 ResourceGather',
      'worker/task:0 > ps/task:0 ConcatV2',
      'worker/task:0 > ps/task:1 Cast',
      'worker/task:0 > ps/task:1 Unique',
      'worker/task:0 > ps/task:1 UnsortedSegmentSum',
    ])
  })

  test('are what a run may end after', () => {
    const { steps, train, variables: all } = make({ stepsPerRun: 3 })
    const table = all.find(({ weight }) => weight.name.startsWith('table'))!.handle
    const updates = (node: GraphNode): number => [...neededBy(node)].filter(({ op, inputs }) => op === 'ResourceScatterSub' && inputs[0] === table).length
    expect([...steps.map((step) => updates(step.train)), updates(train)]).toEqual([1, 2, 3, 3])
    expect(steps.map(({ loss }) => loss.name)).toEqual(['step_1/loss:0', 'step_2/loss:0', 'step_3/loss:0'])
  })

  test('read each variable after its own update, penalties too', () => {
    const { steps, variables: all } = make({ stepsPerRun: 2 })
    const first = neededBy(steps[0]!.train)
    const second = [...neededBy(steps[1]!.loss.node)].filter((node) => !first.has(node))
    for (const { weight, handle } of all.filter((variable) => variable.weight.trainable)) {
      const reads = second.filter(({ op, inputs }) => (op === 'ReadVariableOp' || op === 'ResourceGather') && inputs[0] === handle)
      expect([weight.name, reads.length]).toEqual([weight.name, 1])
      for (const { control } of reads) expect(control.map(({ inputs }): Tensor | undefined => inputs[0])).toEqual([handle])
    }
    // A read that is shared with the first step would be of what there was before it.
    expect(second.flatMap(({ inputs }) => inputs).filter(({ node }) => node.op === 'ReadVariableOp' && first.has(node))).toEqual([])
  })
})

describe('columns of a batch', () => {
  const rows = fromRows({ x: field.float32(), id: field.int32(), delay: field.float32() }, [{ x: 1, id: 2, delay: 3 }, { x: 2, id: 3, delay: 40 }])
  const fit = () => run(features({ x: standardize(), late: label(greaterThan(15, { from: 'delay' })), far: label(greaterThan(1, { from: 'x' })) }).fit(rows))
  const one = (): tf.LayersModel => {
    const x = tf.input({ shape: [1], name: 'x' })
    return tf.model({ inputs: x, outputs: tf.layers.dense({ units: 1, name: 'late' }).apply(x) as tf.SymbolicTensor })
  }
  const withFeatures = async (options: Partial<TrainingGraphOptions> = {}): Promise<TrainingGraph> =>
    trainingGraph(describeModel(one()), { loss: 'meanSquaredError', optimizer: sgd({ learningRate: 0.1 }), inputs: await fit(), ...options })
  const names = ({ columns }: TrainingGraph): string[] => columns.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape?.join()}]`)

  test('are inputs and labels: a column as it is, the raw one of a label, none twice', async () => {
    expect(names(make())).toEqual(['x float32 [,1]', 'id int32 [,1]', 'y float32 [,1]'])
    expect(names(make({ label: 'z', labelDType: 'int64' }))).toEqual(['x float32 [,1]', 'id int32 [,1]', 'z int64 [,1]'])
    expect(names(await withFeatures({ source }))).toEqual(['x float32 []', 'delay float32 []'])
    expect(names(await withFeatures({ source, label: 'far' }))).toEqual(['x float32 []'])
  })

  test('are fed as the model takes them, or raw', async () => {
    const { inputs, labels } = await withFeatures()
    expect([inputs['x']!.shape, labels['late']]).toMatchObject([[null], { name: 'label:0', shape: [null, 1] }])
    const raw = await withFeatures({ label: 'late' })
    expect(raw.labels['late']).toMatchObject({ name: 'label:0', shape: [null] })
    const shared = await withFeatures({ label: 'far' })
    expect(shared.labels['late']).toBe(shared.inputs['x'])
  })

  test.each<[string, Partial<TrainingGraphOptions>, RegExp]>([
    ['steps without a source', { source: undefined, stepsPerRun: 2 }, /2 steps a run need a batch each/],
    ['no steps', { stepsPerRun: 0 }, /stepsPerRun/],
    ['a label of another output', { label: { z: 'z' } }, /"y" has no label/],
    ['a worker too many', { synchronous: { workers: 2, worker: 2 } }, /worker 2 of 2/],
    ['more gradients than workers', { synchronous: { workers: 2, worker: 0, aggregate: 3 } }, /takes 3 gradients/],
  ])('%s cannot be', (_, options, message) => {
    expect(() => make(options)).toThrow(message)
  })
})

describe('workers in step', () => {
  const synchronous = (index: number): TrainingGraph => make({ synchronous: { workers: 2, worker: index }, device: `/job:worker/task:${index}`, optimizer: adam({ learningRate: 0.1 }) })

  test('make the same graph, each for its own device and queue', () => {
    const shape = ({ graph }: TrainingGraph): string[] => graph.nodes.map(({ name, op, device }) => `${name} ${op} ${device.replace(/worker\/task:\d/, 'worker')}`)
    expect(shape(synchronous(0))).toEqual(shape(synchronous(1)))
    expect(synchronous(0).variables.map(({ weight }) => weight.name)).toEqual(make({ optimizer: adam({ learningRate: 0.1 }) }).variables.map(({ weight }) => weight.name))
  })

  test('leave updates to the chief, who needs none of their servers', () => {
    const { synchronous: made, train, variables: all } = synchronous(1)
    for (const node of [made!.update, made!.start, made!.join]) expect([...neededBy(node)].filter(({ device }) => device.startsWith('/job:worker'))).toEqual([])
    const changes = (node: GraphNode): string[] => [...neededBy(node)].filter(({ op }) => /^(Resource(Apply|Scatter|SparseApply)|Assign)/.test(op)).map(({ op }) => op)
    expect(changes(train)).toEqual([])
    expect(changes(made!.update)).toContain('AssignAddVariableOp')
    const accumulators = [...neededBy(made!.update)].filter(({ op }) => op.endsWith('ConditionalAccumulator'))
    expect(accumulators.map(({ attrs, device }) => `${String(attrs['shared_name'])} ${device}`).sort()).toEqual(
      [...all.filter(({ weight }) => weight.trainable).map(({ weight: { name, shape }, device }) => `${['synchronous', name, 'float32', ...shape].join('/')} ${device}`), 'synchronous/parts/float32/2 /job:ps/task:0'].sort(),
    )
  })
})
