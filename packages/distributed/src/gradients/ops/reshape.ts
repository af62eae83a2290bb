import { ofFirst } from '../gradient-function.js'
import { reshapeLike } from '../shapes.js'

/** The gradient in the shape that was before: of Reshape, ExpandDims and Squeeze. */
export const reshapeGradient = ofFirst(({ graph, g, x }) => reshapeLike(graph, g, x))
