import type { DType } from '../../graph/index.js'
import { onlyInput, refuseLayer, requireWeight, type LowerLayer } from './layer-context.js'

/** Up to where a dtype has every whole number; ids are looked up as int32. */
const wholeNumbers = (dtype: DType): number => (dtype === 'float32' ? 2 ** 24 : dtype === 'float16' ? 2 ** 11 : dtype === 'bfloat16' ? 2 ** 8 : 2 ** 31)

/**
 * Rows of the embedding matrix. Float indices are cut to integers, as TensorFlow.js does; a table of more rows than its ids can tell
 * apart is refused. `maskZero` makes a mask for recurrent layers; it changes no value here: row 0 is looked up like any other.
 */
export const lowerEmbedding: LowerLayer = (context, inputs) => {
  const { graph, layer, masks, variables } = context
  const input = onlyInput(context, inputs)
  const indices = input.dtype === 'int32' ? input : graph.one('Cast', [input], { DstT: 'int32' })
  const table = requireWeight(context, 'embeddings')
  const most = wholeNumbers(input.dtype)
  if (Number(table.shape[0]) > most) {
    refuseLayer(context, `has ${table.shape[0]} rows, but its ids are ${input.dtype}, which tells ${most} apart`, "Give the model an input of dtype int32: tf.input({ shape, dtype: 'int32' }); or hash ids to fewer rows.")
  }
  const rows = variables.gather(table, indices)
  if (layer.config['maskZero'] === true) masks.set(rows, graph.one('NotEqual', [input, graph.scalar(input.dtype, 0)]))
  return rows
}
