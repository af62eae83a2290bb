import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { noOutputs, parseExample, sameAsInput, scalar, type ShapeFunction } from '../shape-function.js'
import { exampleTypes, indices } from './dtype-sets.js'

const stateful = { stateful: true }

const sameAsKeys: ShapeFunction = (context) => [context.inputs[1]?.shape]

/** Strings, lookup tables and the parsing of tf.train.Example. */
export const tableOps = {
  HashTableV2: op(
    '-> table_handle:resource',
    {
      container: attr.string({ default: '' }),
      shared_name: attr.string({ default: '' }),
      use_node_name_sharing: attr.bool({ default: false }),
      key_dtype: attr.type(),
      value_dtype: attr.type(),
    },
    scalar,
    stateful,
  ),
  InitializeTableV2: op(
    'table_handle:resource keys:Tkey values:Tval ->',
    { Tkey: attr.type(), Tval: attr.type() },
    noOutputs,
    stateful,
  ),
  InitializeTableFromTextFileV2: op(
    'table_handle:resource filename:string ->',
    {
      key_index: attr.int({ minimum: -2 }),
      value_index: attr.int({ minimum: -2 }),
      vocab_size: attr.int({ default: -1, minimum: -1 }),
      delimiter: attr.string({ default: '\t' }),
      offset: attr.int({ default: 0 }),
    },
    noOutputs,
    stateful,
  ),
  LookupTableFindV2: op(
    'table_handle:resource keys:Tin default_value:Tout -> values:Tout',
    { Tin: attr.type(), Tout: attr.type() },
    sameAsKeys,
    stateful,
  ),
  StringToHashBucketFast: op('input:string -> output:int64', { num_buckets: attr.int({ minimum: 1 }) }, sameAsInput),
  AsString: op(
    'input:T -> output:string',
    {
      T: attr.type({
        allowed: [
          'float32', 'float64', 'int32', 'uint8', 'int16', 'int8', 'string', 'int64', 'bool', 'bfloat16', 'uint16', 'float16',
          'variant', 'uint32', 'uint64',
        ],
      }),
      precision: attr.int({ default: -1 }),
      scientific: attr.bool({ default: false }),
      shortest: attr.bool({ default: false }),
      width: attr.int({ default: -1 }),
      fill: attr.string({ default: '' }),
    },
    sameAsInput,
  ),
  ParseExampleV2: op(
    `serialized:string names:string sparse_keys:string dense_keys:string ragged_keys:string dense_defaults:Tdense
     -> sparse_indices:num_sparse*int64 sparse_values:sparse_types sparse_shapes:num_sparse*int64 dense_values:Tdense
        ragged_values:ragged_value_types ragged_row_splits:ragged_split_types`,
    {
      Tdense: attr.types({ allowed: exampleTypes, minimum: 0 }),
      num_sparse: attr.int({ minimum: 0 }),
      sparse_types: attr.types({ allowed: exampleTypes, minimum: 0 }),
      ragged_value_types: attr.types({ allowed: exampleTypes, minimum: 0 }),
      ragged_split_types: attr.types({ allowed: indices, minimum: 0 }),
      dense_shapes: attr.shapes({ minimum: 0 }),
    },
    parseExample,
  ),
} as const
