import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { fromShapesAttr, noOutputs, scalar } from '../shape-function.js'
import { exampleTypes } from './dtype-sets.js'

const stateful = { stateful: true }
const metadata = attr.string({ default: '' })
/** What an element of a dataset is made of. */
const element = { output_types: attr.types({ minimum: 1 }), output_shapes: attr.shapes({ minimum: 1 }) } as const

/** Datasets and iterators: `tf.data` as ops (`tensorflow/core/ops/dataset_ops.cc`). */
export const dataOps = {
  Assert: op('condition:bool data:T ->', { T: attr.types({ minimum: 1 }), summarize: attr.int({ default: 3 }) }, noOutputs, stateful),
  TFRecordDataset: op('filenames:string compression_type:string buffer_size:int64 -> handle:variant', { metadata }, scalar, stateful),
  ShardDataset: op(
    'input_dataset:variant num_shards:int64 index:int64 -> handle:variant',
    { require_non_empty: attr.bool({ default: false }), ...element, metadata },
    scalar,
  ),
  DummySeedGenerator: op('-> handle:resource', {}, scalar, stateful),
  ShuffleDatasetV3: op(
    'input_dataset:variant buffer_size:int64 seed:int64 seed2:int64 seed_generator:resource -> handle:variant',
    { reshuffle_each_iteration: attr.bool({ default: true }), ...element, metadata },
    scalar,
    stateful,
  ),
  RepeatDataset: op('input_dataset:variant count:int64 -> handle:variant', { ...element, metadata }, scalar),
  BatchDatasetV2: op(
    'input_dataset:variant batch_size:int64 drop_remainder:bool -> handle:variant',
    { parallel_copy: attr.bool({ default: false }), ...element, metadata },
    scalar,
  ),
  ParseExampleDatasetV2: op(
    'input_dataset:variant num_parallel_calls:int64 dense_defaults:Tdense -> handle:variant',
    {
      sparse_keys: attr.strings({ minimum: 0 }),
      dense_keys: attr.strings({ minimum: 0 }),
      sparse_types: attr.types({ allowed: exampleTypes, minimum: 0 }),
      Tdense: attr.types({ allowed: exampleTypes, minimum: 0 }),
      dense_shapes: attr.shapes({ minimum: 0 }),
      ...element,
      deterministic: attr.string({ default: 'default' }),
      ragged_keys: attr.strings({ default: [], minimum: 0 }),
      ragged_value_types: attr.types({ default: [], allowed: exampleTypes, minimum: 0 }),
      ragged_split_types: attr.types({ default: [], allowed: ['int32', 'int64'], minimum: 0 }),
    },
    scalar,
  ),
  PrefetchDataset: op(
    'input_dataset:variant buffer_size:int64 -> handle:variant',
    {
      ...element, slack_period: attr.int({ default: 0 }), legacy_autotune: attr.bool({ default: true }),
      buffer_size_min: attr.int({ default: 0 }), metadata,
    },
    scalar,
  ),
  IteratorV2: op('-> handle:resource', { shared_name: attr.string(), container: attr.string(), ...element }, scalar, stateful),
  MakeIterator: op('dataset:variant iterator:resource ->', {}, noOutputs, stateful),
  IteratorGetNext: op('iterator:resource -> components:output_types', element, fromShapesAttr, stateful),
} as const
