import { onlyInput, requireWeight, type LowerLayer } from './layer-context.js'

/**
 * Rows of the embedding matrix. Float indices are cut to integers, as TensorFlow.js does. `maskZero` makes a mask for recurrent
 * layers; it changes no value here: row 0 is looked up like any other.
 */
export const lowerEmbedding: LowerLayer = (context, inputs) => {
  const { graph, layer, masks, variables } = context
  const input = onlyInput(context, inputs)
  const indices = input.dtype === 'int32' ? input : graph.one('Cast', [input], { DstT: 'int32' })
  const rows = variables.gather(requireWeight(context, 'embeddings'), indices)
  if (layer.config['maskZero'] === true) masks.set(rows, graph.one('NotEqual', [input, graph.scalar(input.dtype, 0)]))
  return rows
}
