import type { Graph, LoweredVariable, Tensor } from '@millrace/export'
import { isIndexedSlices } from '../gradients/index.js'
import type { VariableGradient } from '../optimizers/apply-gradients.js'

/** Variables with more elements travel by themselves: copying them into one tensor would cost more than it saves. */
const MOST_ELEMENTS = 65_536

const sizeOf = ({ weight: { shape } }: LoweredVariable): number => shape.reduce((product, dim) => product * dim, 1)

/** Small variables by their device, where there are several on one. */
const groups = (variables: readonly LoweredVariable[], here: string): readonly (readonly LoweredVariable[])[] => {
  const byDevice = new Map<string, LoweredVariable[]>()
  for (const variable of variables) {
    const { device = '', weight } = variable
    if (device === '' || device === here || weight.dtype !== 'float32' || sizeOf(variable) > MOST_ELEMENTS) continue
    byDevice.set(device, [...(byDevice.get(device) ?? []), variable])
  }
  return [...byDevice.values()].filter(({ length }) => length > 1)
}

const pack = (graph: Graph, parts: readonly Tensor[]): Tensor =>
  graph.one('ConcatV2', [parts.map((part) => graph.one('Reshape', [part, graph.vector('int32', [-1], 'flat')])), graph.scalar('int32', 0, 'axis')])

const unpack = (graph: Graph, packed: Tensor, variables: readonly LoweredVariable[]): readonly Tensor[] => {
  const sizes = graph.vector('int32', variables.map(sizeOf), 'sizes')
  const { outputs } = graph.add('SplitV', [packed, sizes, graph.scalar('int32', 0, 'axis')], { num_split: variables.length })
  return variables.map(({ weight: { shape } }, index) => graph.one('Reshape', [outputs[index] as Tensor, graph.vector('int32', shape, 'shape')]))
}

/**
 * Adds what brings the reads of all small variables of a device in one tensor: what costs time is how many tensors a step sends.
 *
 * @param reads - by the variable's name
 * @param here - the worker's device
 * @returns the values of those that were packed, on the current device, by name
 */
export const packReads = (graph: Graph, variables: readonly LoweredVariable[], reads: ReadonlyMap<string, Tensor>, here: string): ReadonlyMap<string, Tensor> =>
  new Map(
    groups(variables.filter(({ weight }) => reads.has(weight.name)), here).flatMap((group) =>
      graph.scope('packed', () => {
        const packed = graph.withDevice(group[0]?.device ?? '', () => pack(graph, group.map(({ weight }) => reads.get(weight.name) as Tensor)))
        const values = unpack(graph, packed, group)
        return group.map(({ weight: { name } }, index): [string, Tensor] => [name, values[index] as Tensor])
      }),
    ),
  )

/** Adds what sends the gradients of small variables to their device in one tensor. The others are left as they are. */
export const packGradients = (graph: Graph, pairs: readonly VariableGradient[], here: string): readonly VariableGradient[] => {
  const dense = pairs.filter(({ gradient }) => !isIndexedSlices(gradient))
  const sent = new Map<LoweredVariable, Tensor>()
  for (const group of groups(dense.map(({ variable }) => variable), here)) {
    graph.scope('packed_gradients', () => {
      const packed = pack(graph, group.map((variable) => dense.find((pair) => pair.variable === variable)?.gradient as Tensor))
      const values = graph.withDevice(group[0]?.device ?? '', () => unpack(graph, packed, group))
      group.forEach((variable, index) => sent.set(variable, values[index] as Tensor))
    })
  }
  return pairs.map(({ variable, gradient }) => ({ variable, gradient: sent.get(variable) ?? gradient }))
}
