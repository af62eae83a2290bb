import type { Tensor } from '@millrace/export'
import { ofFirst } from '../gradient-function.js'

/** The gradient turned back. */
export const reverseGradient = ofFirst(({ graph, node, g }) => graph.one('ReverseV2', [g, node.inputs[1] as Tensor]))
