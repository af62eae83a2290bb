import type { Tensor } from '../../graph/index.js'
import { activations, findActivation } from '../activations.js'
import { onlyInput, refuseLayer, type LayerContext, type LowerLayer } from './layer-context.js'

/** Applies the activation that the layer's configuration names. */
export const activate = (context: LayerContext, x: Tensor): Tensor => {
  const name = context.layer.config['activation']
  const lower = findActivation(name)
  if (lower === undefined) {
    return refuseLayer(context, `the activation ${JSON.stringify(name)} cannot be exported`, `Known are ${Object.keys(activations).join(', ')}.`)
  }
  return lower(context.graph, x)
}

/** The layer that is only an activation. */
export const lowerActivation: LowerLayer = (context, inputs) => activate(context, onlyInput(context, inputs))
