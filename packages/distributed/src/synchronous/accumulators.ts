import { toNodeName, type Graph, type GraphNode, type LoweredVariable, type Tensor } from '@millrace/export'
import { isIndexedSlices, sumDuplicates, type Gradient, type IndexedSlices } from '../gradients/index.js'

/** Gathers what workers send for one thing in one step. */
export interface Accumulator<Sent> {
  /** Adds what sends a worker's part; TensorFlow drops one of a step before the accumulator's own. */
  send(part: Sent, localStep: Tensor): GraphNode
  /** Adds what waits for as many parts as are required, takes all that came, and goes on to the next step. */
  take(required: Tensor): Sent
  /** Adds what sets the step from which on parts count. */
  setStep(step: Tensor): GraphNode
}

const named = (name: string): string => `synchronous/${name}`

/** Of tensors: their mean, or their sum. */
export const denseAccumulator = (graph: Graph, { weight: { name, dtype, shape }, device }: Pick<LoweredVariable, 'weight' | 'device'>, reduction: 'MEAN' | 'SUM'): Accumulator<Tensor> => {
  const handle = graph.one(
    'ResourceConditionalAccumulator',
    [],
    { dtype, shape, shared_name: named(name), reduction_type: reduction },
    { device, name: toNodeName(name) },
  )
  return {
    send: (part, localStep) => graph.add('ResourceAccumulatorApplyGradient', [handle, localStep, part], {}, { device }),
    take: (required) => graph.one('ResourceAccumulatorTakeGradient', [handle, required], { dtype }, { device }),
    setStep: (step) => graph.add('ResourceAccumulatorSetGlobalStep', [handle, step], {}, { device }),
  }
}

/**
 * Of looked up rows: the mean over workers. TensorFlow's own mean of rows is one over the workers that looked the row up, so this one
 * takes sums, and divides by the number of parts.
 *
 * @param parts - how many there are, float32 scalar
 */
const sparseAccumulator = (graph: Graph, { weight: { name, dtype, shape }, device }: LoweredVariable, parts: () => Tensor): Accumulator<IndexedSlices> => {
  const onDevice = <A>(body: () => A): A => (device === undefined ? body() : graph.withDevice(device, body))
  const int = (value: number): bigint => BigInt(value)
  // A reference, which is looked up by its shared name: every node that takes it has to be on its device.
  const handle = onDevice(() =>
    graph.one('SparseConditionalAccumulator', [], { dtype, shape, shared_name: named(name), reduction_type: 'SUM' }, { name: toNodeName(name) }),
  )
  return {
    send: ({ indices, values }, localStep) =>
      onDevice(() => {
        const wide = indices.dtype === 'int64' ? indices : graph.one('Cast', [indices], { DstT: 'int64' })
        const whole = graph.vector('int64', shape.map(int), 'shape')
        return graph.add('SparseAccumulatorApplyGradient', [handle, localStep, wide, values, whole], { has_known_shape: true })
      }),
    take: (required) =>
      onDevice(() => {
        const taken = graph.add('SparseAccumulatorTakeGradient', [handle, required], { dtype })
        const [indices, values] = taken.outputs as [Tensor, Tensor]
        const rows = (): Tensor => graph.scalar('int64', int(shape[0] ?? 0), 'rows')
        const summed = sumDuplicates(graph, { indices, values, shape, rows })
        return { ...summed, values: graph.one('RealDiv', [summed.values, parts()]) }
      }),
    setStep: (step) => onDevice(() => graph.add('AccumulatorSetGlobalStep', [handle, step])),
  }
}

/** The accumulator of a variable's gradients, for such as this one. */
export const gradientAccumulator = (graph: Graph, variable: LoweredVariable, like: Gradient, parts: () => Tensor): Accumulator<Gradient> => {
  if (!isIndexedSlices(like)) return denseAccumulator(graph, variable, 'MEAN') as Accumulator<Gradient>
  return sparseAccumulator(graph, variable, parts) as Accumulator<Gradient>
}
