import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { assignVariable, readVariable, resourceGather, scalar } from '../shape-function.js'
import { indices } from './dtype-sets.js'

const stateful = { stateful: true }

/** Variables. */
export const stateOps = {
  VarHandleOp: op(
    '-> resource:resource',
    { container: attr.string({ default: '' }), shared_name: attr.string({ default: '' }), dtype: attr.type(), shape: attr.shape() },
    scalar,
    stateful,
  ),
  ReadVariableOp: op('resource:resource -> value:dtype', { dtype: attr.type() }, readVariable, stateful),
  AssignVariableOp: op(
    'resource:resource value:dtype ->',
    { dtype: attr.type(), validate_shape: attr.bool({ default: false }) },
    assignVariable,
    stateful,
  ),
  AssignAddVariableOp: op('resource:resource value:dtype ->', { dtype: attr.type() }, assignVariable, stateful),
  AssignSubVariableOp: op('resource:resource value:dtype ->', { dtype: attr.type() }, assignVariable, stateful),
  Timestamp: op('-> ts:float64', {}, scalar, stateful),
  VarIsInitializedOp: op('resource:resource -> is_initialized:bool', {}, scalar, stateful),
  ResourceGather: op(
    'resource:resource indices:Tindices -> output:dtype',
    {
      batch_dims: attr.int({ default: 0 }),
      validate_indices: attr.bool({ default: true }),
      dtype: attr.type(),
      Tindices: attr.type({ allowed: indices }),
    },
    resourceGather,
    stateful,
  ),
} as const
