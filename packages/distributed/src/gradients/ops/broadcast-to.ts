import { ofFirst } from '../gradient-function.js'
import { unbroadcast } from '../unbroadcast.js'

/** The sum over all that was repeated. */
export const broadcastToGradient = ofFirst(({ graph, g, x, y }) => unbroadcast(graph, g, x, [y]))
