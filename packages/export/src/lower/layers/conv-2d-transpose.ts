import { activate } from './activation.js'
import { batchShape } from './batch-shape.js'
import { addBias } from './convolution.js'
import { onlyInput, refuseLayer, requireRank, requireWeight, type LowerLayer } from './layer-context.js'
import { numbersOf, paddingOf, withChannelsLast } from './windows.js'

/** The transposed convolution: the gradient of a convolution by its images, with the filter `[height, width, out, in]`. */
export const lowerConv2DTranspose: LowerLayer = (context, inputs) => {
  const { graph, variables } = context
  const kernel = requireWeight(context, 'kernel')
  const [strides, padding] = [numbersOf(context, 'strides', 2, 1), paddingOf(context)]
  const y = withChannelsLast(context, onlyInput(context, inputs), (x) => {
    const [, ...sizes] = requireRank(context, x).slice(0, 3)
    const grown = sizes.map((dim, axis) => {
      if (dim === null) return refuseLayer(context, 'the height and width of its input have to be known')
      const [stride, size] = [strides[axis] as number, kernel.shape[axis] as number]
      return dim * stride + (padding === 'VALID' ? Math.max(size - stride, 0) : 0)
    })
    const shape = batchShape(context, x, [...grown, kernel.shape[2] as number])
    return addBias(context, graph.one('Conv2DBackpropInput', [shape, variables.read(kernel), x], { strides: [1, ...strides, 1], padding }))
  })
  return activate(context, y)
}
