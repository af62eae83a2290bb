import { elementCount, type Tensor } from '../../graph/index.js'
import { onlyInput, refuseLayer, requireRank, type LayerContext, type LowerLayer } from './layer-context.js'

/** All but the batch in one dimension. */
export const lowerFlatten: LowerLayer = (context, inputs) => {
  const { graph, layer } = context
  let x = onlyInput(context, inputs)
  let shape = requireRank(context, x)
  if (layer.config['dataFormat'] === 'channelsFirst' && shape.length > 1) {
    const order = [0, ...shape.slice(2).map((_, index) => index + 2), 1]
    x = graph.one('Transpose', [x, graph.vector('int32', order, 'perm')])
    shape = requireRank(context, x)
  }
  const width = elementCount(shape.slice(1))
  if (width === null) return refuseLayer(context, 'all dimensions of its input but the batch have to be known')
  return graph.one('Reshape', [x, graph.vector('int32', [-1, width], 'shape')])
}

/** Another shape for each item of the batch. */
export const lowerReshape: LowerLayer = (context, inputs) => {
  const x = onlyInput(context, inputs)
  const target = (context.layer.config['targetShape'] as readonly (number | null)[]).map((dim) => (dim === null || dim < 0 ? null : dim))
  return reshapeItems(context, x, target)
}

const reshapeItems = (context: LayerContext, x: Tensor, target: readonly (number | null)[]): Tensor => {
  const { graph } = context
  const width = elementCount(requireRank(context, x).slice(1))
  const known = target.reduce<number>((product, dim) => product * (dim ?? 1), 1)
  const unknown = target.filter((dim) => dim === null).length
  if (unknown > 1 || (unknown === 1 && width === null)) return refuseLayer(context, 'only one dimension of its shape may be unknown')
  if (width !== null && (known === 0 || width % known !== 0 || (unknown === 0 && width !== known))) {
    return refuseLayer(context, `${width} elements do not fit the shape [${target.map((dim) => dim ?? '?').join(', ')}]`)
  }
  const dims = target.map((dim) => dim ?? (width as number) / known)
  return graph.one('Reshape', [x, graph.vector('int32', [-1, ...dims], 'shape')])
}

/** Dimensions of each item in another order. */
export const lowerPermute: LowerLayer = (context, inputs) => {
  const order = [0, ...(context.layer.config['dims'] as readonly number[])]
  return context.graph.one('Transpose', [onlyInput(context, inputs), context.graph.vector('int32', order, 'perm')])
}

/** Each item some times, one after the other. */
export const lowerRepeatVector: LowerLayer = (context, inputs) => {
  const { graph, layer } = context
  const steps = graph.one('ExpandDims', [onlyInput(context, inputs), graph.scalar('int32', 1, 'axis')])
  return graph.one('Tile', [steps, graph.vector('int32', [1, Number(layer.config['n']), 1], 'multiples')])
}
