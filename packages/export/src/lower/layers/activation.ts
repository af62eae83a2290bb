import type { Tensor } from '../../graph/index.js'
import { activations, findActivation } from '../activations.js'
import { onlyInput, refuseLayer, type LayerContext, type LowerLayer } from './layer-context.js'

/** The activation that the layer's configuration names. */
export const activationOf = (context: LayerContext, key: string): ((x: Tensor) => Tensor) => {
  const name = context.layer.config[key]
  const lower = findActivation(name)
  if (lower === undefined) {
    return refuseLayer(context, `the activation ${JSON.stringify(name)} cannot be exported`, `Known are ${Object.keys(activations).join(', ')}.`)
  }
  return (x) => lower(context.graph, x)
}

/** Applies the activation that the layer's configuration names. */
export const activate = (context: LayerContext, x: Tensor): Tensor => activationOf(context, 'activation')(x)

/** The layer that is only an activation. */
export const lowerActivation: LowerLayer = (context, inputs) => activate(context, onlyInput(context, inputs))
