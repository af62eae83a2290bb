import { toNodeName, type Graph, type GraphNode, type LoweredVariable, type Tensor } from '@millrace/export'
import { isIndexedSlices, sumDuplicates, type Gradient, type IndexedSlices } from '../gradients/index.js'

/** Gathers what workers send for one thing in one turn. */
export interface Accumulator<Sent> {
  /** Adds what sends a worker's part; TensorFlow drops one of a turn before the accumulator's own. */
  send(part: Sent, turn: Tensor): GraphNode
  /** Adds what waits for as many parts as are required, takes all that came, and goes on to the next turn. */
  take(required: Tensor): Sent
  /**
   * Adds what begins a training at a turn: it throws away parts that came too late for an update of a training before, which the server
   * keeps with the accumulator, and sets the turn from which on parts count.
   */
  begin(turn: Tensor, after: readonly GraphNode[]): AccumulatorBeginning
}

/** What begins a training. */
export interface AccumulatorBeginning {
  readonly begun: GraphNode
  /** A part that is nothing. Taking waits for one at least; and behind an update that waits for more, which so gets them. */
  readonly nothing: GraphNode
}

/** Servers keep accumulators by name from one training to the next, and refuse one of another shape. */
const named = ({ name, dtype, shape }: LoweredVariable['weight']): string => ['synchronous', name, dtype, ...shape].join('/')

/** A turn that no accumulator is past. */
const ANY_TURN = 2n ** 63n - 1n

/** Of tensors: their mean, or their sum. */
export const denseAccumulator = (graph: Graph, { weight, device }: Pick<LoweredVariable, 'weight' | 'device'>, reduction: 'MEAN' | 'SUM'): Accumulator<Tensor> => {
  const { name, dtype, shape } = weight
  const handle = graph.one(
    'ResourceConditionalAccumulator',
    [],
    { dtype, shape, shared_name: named(weight), reduction_type: reduction },
    { device, name: toNodeName(name) },
  )
  return {
    send: (part, turn) => graph.add('ResourceAccumulatorApplyGradient', [handle, turn, part], {}, { device }),
    take: (required) => graph.one('ResourceAccumulatorTakeGradient', [handle, required], { dtype }, { device }),
    begin: (turn, after) =>
      graph.withDevice(device ?? '', () => {
        // From here on nothing comes in that was made before.
        const closed = graph.add('ResourceAccumulatorSetGlobalStep', [handle, turn], {}, { control: after })
        const nothing = graph.one('Fill', [graph.vector('int32', shape, 'shape'), graph.scalar(dtype, 0)])
        const sent = graph.add('ResourceAccumulatorApplyGradient', [handle, graph.scalar('int64', ANY_TURN), nothing], {}, { control: [closed] })
        const emptied = graph.add('ResourceAccumulatorTakeGradient', [handle, graph.scalar('int32', 1)], { dtype }, { control: [sent] })
        // Each taking has counted a turn.
        return { begun: graph.add('ResourceAccumulatorSetGlobalStep', [handle, turn], {}, { control: [emptied] }), nothing: sent }
      }),
  }
}

/**
 * Of looked up rows: the mean over workers. TensorFlow's own mean of rows is one over the workers that looked the row up, so this one
 * takes sums, and divides by the number of parts.
 *
 * @param parts - how many there are, float32 scalar
 */
const sparseAccumulator = (graph: Graph, { weight, device }: LoweredVariable, parts: () => Tensor): Accumulator<IndexedSlices> => {
  const { name, dtype, shape } = weight
  const onDevice = <A>(body: () => A): A => (device === undefined ? body() : graph.withDevice(device, body))
  const int = (value: number): bigint => BigInt(value)
  // A reference, which is looked up by its shared name: every node that takes it has to be on its device.
  const handle = onDevice(() =>
    graph.one('SparseConditionalAccumulator', [], { dtype, shape, shared_name: named(weight), reduction_type: 'SUM' }, { name: toNodeName(name) }),
  )
  return {
    send: ({ indices, values }, turn) =>
      onDevice(() => {
        const wide = indices.dtype === 'int64' ? indices : graph.one('Cast', [indices], { DstT: 'int64' })
        const whole = graph.vector('int64', shape.map(int), 'shape')
        return graph.add('SparseAccumulatorApplyGradient', [handle, turn, wide, values, whole], { has_known_shape: true })
      }),
    take: (required) =>
      onDevice(() => {
        const taken = graph.add('SparseAccumulatorTakeGradient', [handle, required], { dtype })
        const [indices, values] = taken.outputs as [Tensor, Tensor]
        const rows = (): Tensor => graph.scalar('int64', int(shape[0] ?? 0), 'rows')
        const summed = sumDuplicates(graph, { indices, values, shape, rows })
        return { ...summed, values: graph.one('RealDiv', [summed.values, parts()]) }
      }),
    begin: (turn, after) =>
      onDevice(() => {
        const closed = graph.add('AccumulatorSetGlobalStep', [handle, turn], {}, { control: after })
        const row = graph.one('Fill', [graph.vector('int32', [1, ...shape.slice(1)], 'shape'), graph.scalar(dtype, 0)])
        const slices = [graph.vector('int64', [0n]), row, graph.vector('int64', shape.map(int), 'shape')]
        const sent = graph.add('SparseAccumulatorApplyGradient', [handle, graph.scalar('int64', ANY_TURN), ...slices], { has_known_shape: true }, { control: [closed] })
        const emptied = graph.add('SparseAccumulatorTakeGradient', [handle, graph.scalar('int32', 1)], { dtype }, { control: [sent] })
        return { begun: graph.add('AccumulatorSetGlobalStep', [handle, turn], {}, { control: [emptied] }), nothing: sent }
      }),
  }
}

/** The accumulator of a variable's gradients, for such as this one. */
export const gradientAccumulator = (graph: Graph, variable: LoweredVariable, like: Gradient, parts: () => Tensor): Accumulator<Gradient> => {
  if (!isIndexedSlices(like)) return denseAccumulator(graph, variable, 'MEAN') as Accumulator<Gradient>
  return sparseAccumulator(graph, variable, parts) as Accumulator<Gradient>
}
