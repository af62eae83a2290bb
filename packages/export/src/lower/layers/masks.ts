import type { Tensor } from '../../graph/index.js'
import type { LayerDescription } from '../describe-model.js'
import { onlyInput, refuseLayer, type LayerContext, type LowerLayer } from './layer-context.js'

/** Which steps of a sequence count, bool `[batch, steps]`; or why that cannot be said. */
export type Mask = Tensor | { readonly problem: string }

const isKnown = (mask: Mask): mask is Tensor => !('problem' in mask)

/** The masks of tensors that have one. */
export type Masks = Map<Tensor, Mask>

/** Whether a layer makes a mask from what it takes. */
export const makesMask = ({ className, config }: LayerDescription): boolean =>
  className === 'Masking' || (className === 'Embedding' && config['maskZero'] === true)

/** Layers that hand the mask of what they take on (`supportsMasking` in TensorFlow.js). Others drop it, or make their own. */
const passing: ReadonlySet<string> = new Set([
  'Activation', 'AlphaDropout', 'BatchNormalization', 'Dense', 'Dropout', 'GaussianDropout', 'GaussianNoise', 'LayerNormalization', 'PReLU', 'ReLU',
  'SpatialDropout1D', 'TimeDistributed',
])

/** Hands the mask of a layer's input on to its output. */
export const passMask = ({ layer, masks }: LayerContext, inputs: readonly Tensor[], outputs: readonly Tensor[]): void => {
  const mask = masks.get(inputs[0] as Tensor)
  if (mask !== undefined && passing.has(layer.className)) masks.set(outputs[0] as Tensor, mask)
}

/**
 * The mask of what the layer takes, where it has one.
 *
 * @throws `Model` where TensorFlow.js would give the layer another: it hands a mask on to every later layer that has none itself
 */
export const maskOf = (context: LayerContext, x: Tensor): Tensor | undefined => {
  const mask = context.masks.get(x)
  if (mask === undefined) {
    if (!context.masked) return undefined
    return refuseLayer(context, 'it takes no mask, but TensorFlow.js would give it that of another layer', 'Leave out maskZero and Masking, or mask what it takes, too.')
  }
  return isKnown(mask) ? mask : refuseLayer(context, mask.problem, 'Mask after they are merged.')
}

/** The mask of merged inputs: steps count where they do in all of them. Only features side by side have one that is known. */
export const mergeMasks = ({ graph, layer, masks }: LayerContext, inputs: readonly Tensor[], output: Tensor, isSideBySide: boolean): void => {
  const given = inputs.map((input) => masks.get(input)).filter((mask) => mask !== undefined)
  if (given.length === 0) return
  const known = given.filter(isKnown)
  masks.set(
    output,
    isSideBySide && known.length === given.length
      ? known.reduce((all, mask) => graph.one('LogicalAnd', [all, mask]))
      : { problem: `the mask of what "${layer.name}" (${layer.className}) merges is not known` },
  )
}

/** Steps whose features all have one value are set to 0, and do not count. */
export const lowerMasking: LowerLayer = (context, inputs) => {
  const { graph, layer, masks } = context
  const x = onlyInput(context, inputs)
  const differs = graph.one('NotEqual', [x, graph.scalar(x.dtype, Number(layer.config['maskValue'] ?? 0), 'mask_value')])
  const any = (keep_dims: boolean): Tensor => graph.one('Any', [differs, graph.vector('int32', [-1], 'axes')], { keep_dims })
  const y = graph.one('Mul', [x, graph.one('Cast', [any(true)], { DstT: x.dtype })])
  masks.set(y, any(false))
  return y
}
