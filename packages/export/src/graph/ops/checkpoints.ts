import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { noOutputs, restored, scalar, vector } from '../shape-function.js'

const stateful = { stateful: true }

/** Checkpoints and their files, and the state of iterators, as what runs the graph sees them. */
export const checkpointOps = {
  SaveV2: op(
    'prefix:string tensor_names:string shape_and_slices:string tensors:dtypes ->',
    { dtypes: attr.types({ minimum: 1 }) },
    noOutputs,
    stateful,
  ),
  RestoreV2: op(
    'prefix:string tensor_names:string shape_and_slices:string -> tensors:dtypes',
    { dtypes: attr.types({ minimum: 1 }) },
    restored,
    stateful,
  ),
  MergeV2Checkpoints: op(
    'checkpoint_prefixes:string destination_prefix:string ->',
    { delete_old_dirs: attr.bool({ default: true }), allow_missing_files: attr.bool({ default: false }) },
    noOutputs,
    stateful,
  ),
  ShardedFilename: op('basename:string shard:int32 num_shards:int32 -> filename:string', {}, scalar),
  ReadFile: op('filename:string -> contents:string', {}, scalar),
  WriteFile: op('filename:string contents:string ->', {}, noOutputs, stateful),
  MatchingFiles: op('pattern:string -> filenames:string', {}, vector),
  SerializeIterator: op('resource_handle:resource -> serialized:variant', { external_state_policy: attr.int({ default: 0 }) }, scalar, stateful),
  DeserializeIterator: op('resource_handle:resource serialized:variant ->', {}, noOutputs, stateful),
} as const
