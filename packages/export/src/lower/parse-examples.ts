import { tensorValue, type Graph, type Shape, type Tensor } from '../graph/index.js'
import type { RawColumn } from './raw-columns.js'

/** A dense feature of a tf.train.Example: a {@link RawColumn}, or a value of fixed shape. */
export interface ExampleColumn {
  readonly name: string
  readonly dtype: RawColumn['dtype']
  /** Without the batch; every dimension is known. */
  readonly itemShape: readonly number[]
  readonly missing: RawColumn['missing']
}

/**
 * Parses serialized `tf.train.Example`s (`tf.io.parse_example` with `FixedLenFeature`).
 *
 * @param serialized - string `[batch]`
 * @returns each column by name, `[batch, …itemShape]`
 */
export const parseExamples = (graph: Graph, serialized: Tensor, columns: readonly ExampleColumn[]): Record<string, Tensor> => {
  const defaults = columns.map(({ dtype, missing, itemShape }) =>
    // An empty default tells TensorFlow that the value has to be there.
    graph.constant(missing === undefined || itemShape.length > 0 ? tensorValue(dtype, [0], []) : tensorValue(dtype, [], [missing]), 'default'),
  )
  const none = graph.vector('string', [], 'none')
  const keys = graph.vector('string', columns.map(({ name }) => name), 'keys')
  const parsed = graph.add(
    'ParseExampleV2',
    [serialized, none, none, keys, none, defaults],
    { num_sparse: 0, sparse_types: [], ragged_value_types: [], ragged_split_types: [], dense_shapes: columns.map(({ itemShape }): Shape => itemShape) },
    { name: 'ParseExample' },
  )
  return Object.fromEntries(columns.map(({ name }, index) => [name, parsed.outputs[index] as Tensor]))
}
