import type { Tensor } from '../../graph/index.js'
import { innerLayer } from './bidirectional.js'
import { onlyInput, refuseLayer, requireRank, type LayerContext, type LowerLayer } from './layer-context.js'

/** A layer over each step, whose steps are items of one larger batch. */
export const lowerTimeDistributed: LowerLayer = (context, inputs) => {
  const { mode, layer } = context
  const inner = innerLayer(context, layer.weights)
  if (mode === 'training' && inner.className === 'BatchNormalization') {
    return refuseLayer(context, 'TensorFlow.js normalises each step by itself and moves the means as often', 'Use the batch normalisation without TimeDistributed.')
  }
  const x = onlyInput(context, inputs)
  const [, steps, ...item] = requireRank(context, x)
  if (typeof steps !== 'number') return refuseLayer(context, 'the number of steps of its input has to be known')
  const outputs = context.lowerInner(inner, [withFirst(context, x, [-1], item)])
  const [y] = outputs as readonly [Tensor]
  return withFirst(context, y, [-1, steps], requireRank(context, y).slice(1))
}

const withFirst = (context: LayerContext, x: Tensor, first: readonly number[], item: readonly (number | null)[]): Tensor => {
  const known = item.filter((dim) => dim !== null)
  if (known.length < item.length) return refuseLayer(context, 'all dimensions of each step have to be known')
  return context.graph.one('Reshape', [x, context.graph.vector('int32', [...first, ...known], 'shape')])
}
