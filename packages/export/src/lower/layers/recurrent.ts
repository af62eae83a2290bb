import type { Tensor } from '../../graph/index.js'
import { batchShape } from './batch-shape.js'
import { addBias } from './convolution.js'
import { dropped } from './dropout.js'
import { refuseLayer, requireRank, requireWeight, type LayerContext, type LowerLayer } from './layer-context.js'
import { maskOf } from './masks.js'
import { cells, type Cell } from './recurrent-cells.js'

/**
 * A recurrent layer, step by step: the graph holds each of them, so their number has to be known. Inputs after the first are the
 * state to begin with. A masked step keeps the state, and gives the output of the step before it.
 *
 * @returns the last output or, with `returnSequences`, those of all steps; with `returnState`, then the last state
 */
export const lowerRecurrent: LowerLayer = (context, inputs) => {
  const { graph, layer, masks } = context
  const { config } = layer
  const cell = cells[layer.className] ?? refuseLayer(context, 'its cell cannot be exported', `Known are ${Object.keys(cells).join(', ')}.`)
  if (config['stateful'] === true) return refuseLayer(context, 'it keeps its state between calls, which a graph that is called by many cannot', 'Make it with stateful: false.')
  const [x, ...given] = inputs as readonly [Tensor, ...Tensor[]]
  const mask = maskOf(context, x)
  const projected = project(context, x)
  const order = <A>(steps: readonly A[]): readonly A[] => (config['goBackwards'] === true ? [...steps].reverse() : steps)
  const steps = order(projected)
  const counts = mask === undefined ? undefined : order(unstack(context, mask, steps.length))

  const advance = nextState(context, cell, x)
  let states = firstState(context, cell, x, given)
  const outputs = steps.map((step, at) => {
    states = advance(step, states, counts?.[at])
    return states[0] as Tensor
  })
  const isWhole = config['returnSequences'] === true
  const output = isWhole ? graph.one('Pack', [outputs], { axis: 1 }) : (outputs.at(-1) as Tensor)
  if (isWhole && mask !== undefined) masks.set(output, mask)
  return config['returnState'] === true ? [output, ...states] : output
}

const unitsOf = ({ layer }: LayerContext): number => Number(layer.config['units'])

/** A share that TensorFlow.js drops: it leaves out 0 and 1. */
const dropoutOf = ({ layer, mode }: LayerContext, key: string): number => {
  const rate = Number(layer.config[key] ?? 0)
  return mode === 'training' && rate > 0 && rate < 1 ? rate : 0
}

const unstack = ({ graph }: LayerContext, x: Tensor, count: number): readonly Tensor[] => graph.add('Unpack', [x], { num: count, axis: 1 }).outputs

/** All steps times the kernel, with the bias, in one product. */
const project = (context: LayerContext, x: Tensor): readonly Tensor[] => {
  const { graph, variables } = context
  const shape = requireRank(context, x)
  const [, count, width] = shape
  if (shape.length !== 3 || typeof count !== 'number' || typeof width !== 'number' || count === 0) {
    return refuseLayer(context, 'the number of steps of its input has to be known', 'Give the input a shape of [steps, features].')
  }
  const kernel = requireWeight(context, 'kernel')
  const rate = dropoutOf(context, 'dropout')
  // All steps of a sequence drop the same features.
  const kept = rate === 0 ? x : dropped(context, x, rate, batchShape(context, x, [1, width]))
  const rows = graph.one('Reshape', [kept, graph.vector('int32', [-1, width], 'rows')])
  const product = addBias(context, graph.one('MatMul', [rows, variables.read(kernel)]))
  return unstack(context, graph.one('Reshape', [product, graph.vector('int32', [-1, count, kernel.shape[1] as number], 'steps')]), count)
}

/** Zeros, or what is given. */
const firstState = (context: LayerContext, { states }: Cell, x: Tensor, given: readonly Tensor[]): readonly Tensor[] => {
  const { graph } = context
  if (given.length > 0) {
    return given.length === states ? given : refuseLayer(context, `its state is ${states} tensors, but ${given.length} are given`)
  }
  const zeros = graph.one('Fill', [batchShape(context, x, [unitsOf(context)]), graph.scalar('float32', 0)])
  return Array.from({ length: states }, () => zeros)
}

/** One step, which keeps the state where the step does not count. */
const nextState = (context: LayerContext, cell: Cell, x: Tensor): ((step: Tensor, states: readonly Tensor[], counts?: Tensor) => readonly Tensor[]) => {
  const { graph } = context
  const step = cell.start(context)
  const rate = dropoutOf(context, 'recurrentDropout')
  const ones = (): Tensor => graph.one('Fill', [batchShape(context, x, [unitsOf(context)]), graph.scalar('float32', 1)])
  const kept = rate === 0 ? undefined : dropped(context, ones(), rate)
  return (input, states, counts) => {
    const [h, ...rest] = states as readonly [Tensor, ...Tensor[]]
    const made = step(input, [kept === undefined ? h : graph.one('Mul', [h, kept]), ...rest])
    if (counts === undefined) return made
    const column = graph.one('ExpandDims', [counts, graph.scalar('int32', 1, 'axis')])
    return made.map((state, index) => graph.one('SelectV2', [column, state, states[index] as Tensor]))
  }
}
