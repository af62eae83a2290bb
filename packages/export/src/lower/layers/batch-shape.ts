import type { Tensor } from '../../graph/index.js'
import type { LayerContext } from './layer-context.js'

/** The shape of as many items as `x` has, each of a known shape: a constant where their number is known. */
export const batchShape = ({ graph }: LayerContext, x: Tensor, item: readonly number[]): Tensor => {
  const batch = x.shape?.[0] ?? null
  if (batch !== null) return graph.vector('int32', [batch, ...item], 'shape')
  const bounds = [[0], [1], [1]].map((bound) => graph.vector('int32', bound, 'bound'))
  const items = graph.one('StridedSlice', [graph.one('Shape', [x]), ...bounds])
  return graph.one('ConcatV2', [[items, graph.vector('int32', item, 'item')], graph.scalar('int32', 0, 'axis')])
}
