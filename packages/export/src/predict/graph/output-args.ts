import { failure } from '@millrace/core'
import { dtypeListAttr, intAttr, type Node } from './graph.js'

/** Output arguments in order, each with the number of tensors that it stands for. */
type Outputs = readonly (readonly [name: string, count: (node: Node) => number])[]

const one = (): number => 1
const length = (attr: string) => (node: Node): number => dtypeListAttr(node, attr).length
const number = (attr: string) => (node: Node): number => intAttr(node, attr)

/**
 * Ops with more than one output argument. Inside functions an input is named `node:argument:index`, and turning that into an
 * index among all outputs takes the op's signature (`tensorflow/core/framework/function.h`); ops with one argument need no entry.
 */
const severalArguments: { readonly [op: string]: Outputs } = {
  TopKV2: [['values', one], ['indices', one]],
  Unique: [['y', one], ['idx', one]],
  UniqueV2: [['y', one], ['idx', one]],
  UniqueWithCounts: [['y', one], ['idx', one], ['count', one]],
  ListDiff: [['out', one], ['idx', one]],
  Switch: [['output_false', one], ['output_true', one]],
  Merge: [['output', one], ['value_index', one]],
  FusedBatchNorm: [['y', one], ['batch_mean', one], ['batch_variance', one], ['reserve_space_1', one], ['reserve_space_2', one]],
  FusedBatchNormV2: [['y', one], ['batch_mean', one], ['batch_variance', one], ['reserve_space_1', one], ['reserve_space_2', one]],
  FusedBatchNormV3: [['y', one], ['batch_mean', one], ['batch_variance', one], ['reserve_space_1', one], ['reserve_space_2', one], ['reserve_space_3', one]],
  MaxPoolWithArgmax: [['output', one], ['argmax', one]],
  LookupTableExportV2: [['keys', one], ['values', one]],
  StringSplitV2: [['indices', one], ['values', one], ['shape', one]],
  StringSplit: [['indices', one], ['values', one], ['shape', one]],
  SparseReshape: [['output_indices', one], ['output_shape', one]],
  SparseFillEmptyRows: [['output_indices', one], ['output_values', one], ['empty_row_indicator', one], ['reverse_index_map', one]],
  SparseSlice: [['output_indices', one], ['output_values', one], ['output_shape', one]],
  SparseConcat: [['output_indices', one], ['output_values', one], ['output_shape', one]],
  SparseToDense: [['dense', one]],
  Moments: [['mean', one], ['variance', one]],
  ParseExampleV2: [
    ['sparse_indices', number('num_sparse')], ['sparse_values', length('sparse_types')], ['sparse_shapes', number('num_sparse')],
    ['dense_values', length('Tdense')], ['ragged_values', length('ragged_value_types')], ['ragged_row_splits', length('ragged_split_types')],
  ],
  ParseExample: [['sparse_indices', number('Nsparse')], ['sparse_values', length('sparse_types')], ['sparse_shapes', number('Nsparse')], ['dense_values', length('Tdense')]],
  Svd: [['s', one], ['u', one], ['v', one]],
  Qr: [['q', one], ['r', one]],
  SelfAdjointEigV2: [['e', one], ['v', one]],
  NonMaxSuppressionV4: [['selected_indices', one], ['valid_outputs', one]],
  NonMaxSuppressionV5: [['selected_indices', one], ['selected_scores', one], ['valid_outputs', one]],
  RaggedRange: [['rt_nested_splits', one], ['rt_dense_values', one]],
}

/** The index among all outputs of `node:argument:index`. @throws `Model` for an argument that the op does not have */
export const flatOutput = (node: Node, argument: string, index: number): number => {
  const outputs = severalArguments[node.op]
  if (outputs === undefined) return index
  let before = 0
  for (const [name, count] of outputs) {
    if (name === argument) return before + index
    before += count(node)
  }
  throw failure({ tag: 'Model', code: 'BAD_GRAPH', problem: `the op ${node.op} of the node ${node.name} has no output "${argument}"` })
}
