import * as tf from '@tensorflow/tfjs'
import { describeModel, type GraphNode, type WeightDescription } from '@millrace/export'
import { beforeAll, describe, expect, test } from 'vitest'
import { tfRecordSource } from '../input/index.js'
import { adam, exponentialDecay, sgd, type Optimizer } from '../optimizers/index.js'
import { trainingGraph, type TrainingGraph, type TrainingGraphOptions } from './index.js'

const HOME = '/job:ps/task:0'
const OTHER = '/job:ps/task:1'

let make: (optimizer: Optimizer, options?: Partial<TrainingGraphOptions>) => TrainingGraph
beforeAll(async () => {
  await tf.setBackend('cpu')
  const normal = (name: string) => tf.layers.batchNormalization({ name })
  const x = tf.input({ shape: [2], name: 'x' })
  const hidden = tf.layers.dense({ units: 2, name: 'hidden' }).apply(normal('first').apply(x))
  const model = describeModel(tf.model({ inputs: x, outputs: tf.layers.dense({ units: 1, name: 'y' }).apply(normal('second').apply(hidden)) as tf.SymbolicTensor }))
  // The first server has the global step, and nothing of the model.
  const variables = ({ name }: WeightDescription) => ({ device: name === 'global_step' ? HOME : OTHER })
  make = (optimizer, options) => trainingGraph(model, {
    loss: 'meanSquaredError', optimizer, source: tfRecordSource({ files: 'data' }), device: '/job:worker/task:0', variables, fences: { workers: 2, worker: 0 }, ...options,
  })
})

/** All that runs before a node, but what stands before nodes at which it stops. */
const before = (node: GraphNode, stops: (node: GraphNode) => boolean = () => false): Set<GraphNode> => {
  const found = new Set<GraphNode>()
  const stack = [node]
  for (let one = stack.pop(); one !== undefined; one = stack.pop()) {
    if (found.has(one)) continue
    found.add(one)
    if (!stops(one)) stack.push(...one.control, ...one.inputs.map((tensor) => tensor.node))
  }
  return found
}

const looksOn = (device: string) => ({ op, device: on }: GraphNode): boolean => op === 'Assert' && on === device
const isUpdate = ({ op, device }: GraphNode): boolean => /^(ResourceApply|AssignSub)/.test(op) && device === OTHER
const countOf = ({ train, globalStep }: TrainingGraph): GraphNode => [...before(train)].find(({ op, inputs }) => op === 'AssignAddVariableOp' && inputs[0] === globalStep.handle)!

describe('a step', () => {
  test('is counted when all servers have been updated and its session is let in still', () => {
    const graph = make(sgd({ learningRate: 0.1 }))
    expect(graph.fences!.variables.map(({ device }) => device).sort()).toEqual([HOME, OTHER])
    const count = countOf(graph)
    expect([...before(count)].filter(isUpdate).length).toBeGreaterThan(8)
    expect([...before(count, looksOn(HOME))].filter(isUpdate)).toEqual([])
  })

  test('looks before each change of a layer, when it has come', () => {
    for (const options of [{}, { synchronous: { workers: 2, worker: 0 } }]) {
      const changes = [...before(make(sgd({ learningRate: 0.1 }), options).train)].filter(({ op }) => op === 'AssignSubVariableOp')
      expect(changes.length).toBe(4)
      for (const { inputs: [, change] } of changes) {
        const [look] = change!.node.control
        const [come] = change!.node.inputs
        expect(look).toSatisfy(looksOn(OTHER))
        expect(before(look!)).toContain(come!.node)
      }
    }
  })

  test.each([['adam', adam({ learningRate: 0.1 })], ['a schedule', sgd({ learningRate: exponentialDecay({ initial: 0.1, steps: 10, rate: 0.5 }) })]])('with %s looks when the number of steps has come, too', (_, optimizer) => {
    const graph = make(optimizer)
    const isNumber = ({ op, device }: GraphNode): boolean => op === 'Cast' && device === HOME
    const updates = [...before(graph.train)].filter(({ op }) => op.startsWith('ResourceApply'))
    expect(updates.length).toBe(8)
    for (const update of updates) {
      const behindLooks = [...before(update)].filter(({ control }) => control.some(looksOn(OTHER)))
      expect(behindLooks.filter(({ inputs: [come] }) => [...before(come!.node)].some(isNumber))).toHaveLength(1)
      expect([...before(update, (node) => behindLooks.includes(node))].some(isNumber)).toBe(false)
    }
  })

  test('sends no number of steps where no update takes it', () => {
    const updates = [...before(make(sgd({ learningRate: 0.1 })).train)].filter(({ op }) => op.startsWith('ResourceApply'))
    expect(updates.flatMap((update) => [...before(update)]).filter(({ op, device }) => op === 'Cast' && device === HOME)).toEqual([])
  })
})

test('in step, parts are counted as applied when all servers have been updated and training was not begun again', () => {
  const { synchronous } = make(adam({ learningRate: 0.1 }), { synchronous: { workers: 2, worker: 0 } })
  const count = [...before(synchronous!.update)].find(({ op, inputs }) => op === 'AssignAddVariableOp' && inputs[0] === synchronous!.parts!.applied.handle)!
  expect([...before(count)].filter(isUpdate).length).toBe(8)
  expect([...before(count, looksOn(HOME))].filter(isUpdate)).toEqual([])
})
