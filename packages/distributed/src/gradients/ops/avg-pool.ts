import { ofFirst } from '../gradient-function.js'
import { shapeOf } from '../shapes.js'
import { averageAttrs } from './window-attrs.js'

/** The gradient in equal parts to all in each window. */
export const avgPoolGradient = ofFirst(({ graph, node, g, x }) => graph.one('AvgPoolGrad', [shapeOf(graph, x), g], averageAttrs(node)))
