import type { Tensor } from '../../graph/index.js'
import { refuseLayer, requireRank, type LayerContext, type LowerLayer } from './layer-context.js'

/**
 * Products of two inputs, summed along one axis of each; with `normalize`, cosines. The batch stands outside, as in
 * `batchDot` of `tfjs-layers/src/layers/merge.ts`.
 */
export const lowerDot: LowerLayer = (context, inputs) => {
  const { graph, layer } = context
  if (inputs.length !== 2) return refuseLayer(context, `takes two inputs, but has ${inputs.length}`)
  const [left, right] = inputs as readonly [Tensor, Tensor]
  const given = layer.config['axes'] as number | readonly number[]
  const [leftAxis, rightAxis] = [left, right].map((x, index) => {
    const axis = typeof given === 'number' ? given : (given[index] as number)
    return axis < 0 ? axis + requireRank(context, x).length : axis
  }) as [number, number]
  const [x, y] = layer.config['normalize'] === true ? [normalize(context, left, leftAxis), normalize(context, right, rightAxis)] : [left, right]
  const [xRank, yRank] = [requireRank(context, x).length, requireRank(context, y).length]
  if (xRank === 2 && yRank === 2) {
    if (leftAxis !== 1 || rightAxis !== 1) return refuseLayer(context, `products along the axes ${leftAxis} and ${rightAxis} of two vectors cannot be exported`)
    return graph.one('Sum', [graph.one('Mul', [x, y]), graph.vector('int32', [1], 'axes')], { keep_dims: true })
  }
  const asMatrices = (one: Tensor, rank: number): Tensor => (rank === 2 ? graph.one('ExpandDims', [one, graph.scalar('int32', 2, 'axis')]) : one)
  const product = graph.one('BatchMatMulV2', [asMatrices(x, xRank), asMatrices(y, yRank)], { adj_x: leftAxis === 1, adj_y: rightAxis === 2 })
  if (xRank === yRank) return product
  return graph.one('Squeeze', [product], { squeeze_dims: [xRank === 2 ? 1 : 2] })
}

/** `x` with a length of 1 along the axis. */
const normalize = ({ graph }: LayerContext, x: Tensor, axis: number): Tensor => {
  const square = graph.one('Sum', [graph.one('Square', [x]), graph.vector('int32', [axis], 'axes')], { keep_dims: true })
  return graph.one('RealDiv', [x, graph.one('Sqrt', [graph.one('Maximum', [square, graph.scalar('float32', 1e-7, 'epsilon')])])])
}
