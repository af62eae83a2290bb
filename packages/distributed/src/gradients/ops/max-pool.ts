import { ofFirst } from '../gradient-function.js'
import { maximumAttrs } from './window-attrs.js'

/** The gradient to the first of the largest in each window. */
export const maxPoolGradient = ofFirst(({ graph, node, g, x, y }) => graph.one('MaxPoolGrad', [x, y, g], maximumAttrs(node)))
