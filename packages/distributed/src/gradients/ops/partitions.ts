import type { Graph, Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'
import { reshapeLike, shapeOf } from '../shapes.js'

const range = (graph: Graph, limit: Tensor): Tensor => graph.one('Range', [graph.scalar('int32', 0), limit, graph.scalar('int32', 1)])

/** Each row of `data` came out in one place; its gradient is taken back from there. */
export const dynamicPartitionGradient: GradientFunction = ({ graph, node, inputs, gradients }) => {
  const [data, partitions] = inputs as readonly [Tensor, Tensor]
  const order = reshapeLike(graph, range(graph, graph.one('Size', [partitions])), partitions)
  const places = graph.add('DynamicPartition', [order, partitions], { num_partitions: node.outputs.length }).outputs
  const parts = node.outputs.map((output, index) => gradients[index] ?? graph.one('ZerosLike', [output]))
  // Rows are counted in one dimension here, but `partitions` may have more.
  return [graph.one('Reshape', [graph.one('ParallelDynamicStitch', [places, parts]), shapeOf(graph, data)])]
}

/** Each row came to one place; its gradient is there. As in TensorFlow, no index may be given twice. */
export const dynamicStitchGradient: GradientFunction = ({ graph, inputs, gradients }) => {
  const places = inputs.slice(0, inputs.length / 2)
  const axis = graph.scalar('int32', 0, 'axis')
  return [...places.map(() => undefined), ...places.map((place) => graph.one('GatherV2', [gradients[0] as Tensor, place, axis]))]
}
