import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { noOutputs } from '../shape-function.js'
import { indices, realNumbers } from './dtype-sets.js'

const stateful = { stateful: true }
const dense = { T: attr.type({ allowed: realNumbers }), use_locking: attr.bool({ default: false }) }
const sparse = { ...dense, Tindices: attr.type({ allowed: indices }) }
const nesterov = { use_nesterov: attr.bool({ default: false }) }
const slots = { update_slots: attr.bool({ default: true }) }
const scatter = { dtype: attr.type({ allowed: realNumbers }), Tindices: attr.type({ allowed: indices }) }

/** Updates of variables (`tensorflow/core/ops/training_ops.cc`, `resource_variable_ops.cc`). */
export const optimizerOps = {
  ResourceApplyGradientDescent: op('var:resource alpha:T delta:T ->', dense, noOutputs, stateful),
  ResourceApplyMomentum: op('var:resource accum:resource lr:T grad:T momentum:T ->', { ...dense, ...nesterov }, noOutputs, stateful),
  ResourceSparseApplyMomentum: op(
    'var:resource accum:resource lr:T grad:T indices:Tindices momentum:T ->',
    { ...sparse, ...nesterov },
    noOutputs,
    stateful,
  ),
  ResourceApplyAdagrad: op('var:resource accum:resource lr:T grad:T ->', { ...dense, ...slots }, noOutputs, stateful),
  ResourceSparseApplyAdagrad: op('var:resource accum:resource lr:T grad:T indices:Tindices ->', { ...sparse, ...slots }, noOutputs, stateful),
  ResourceApplyRMSProp: op(
    'var:resource ms:resource mom:resource lr:T rho:T momentum:T epsilon:T grad:T ->', dense, noOutputs, stateful,
  ),
  ResourceSparseApplyRMSProp: op(
    'var:resource ms:resource mom:resource lr:T rho:T momentum:T epsilon:T grad:T indices:Tindices ->', sparse, noOutputs, stateful,
  ),
  ResourceApplyCenteredRMSProp: op(
    'var:resource mg:resource ms:resource mom:resource lr:T rho:T momentum:T epsilon:T grad:T ->', dense, noOutputs, stateful,
  ),
  ResourceSparseApplyCenteredRMSProp: op(
    'var:resource mg:resource ms:resource mom:resource lr:T rho:T momentum:T epsilon:T grad:T indices:Tindices ->',
    sparse,
    noOutputs,
    stateful,
  ),
  ResourceApplyAdam: op(
    'var:resource m:resource v:resource beta1_power:T beta2_power:T lr:T beta1:T beta2:T epsilon:T grad:T ->',
    { ...dense, ...nesterov },
    noOutputs,
    stateful,
  ),
  ResourceApplyAdaMax: op(
    'var:resource m:resource v:resource beta1_power:T lr:T beta1:T beta2:T epsilon:T grad:T ->', dense, noOutputs, stateful,
  ),
  ResourceApplyFtrlV2: op(
    'var:resource accum:resource linear:resource grad:T lr:T l1:T l2:T l2_shrinkage:T lr_power:T ->',
    { ...dense, multiply_linear_by_lr: attr.bool({ default: false }) },
    noOutputs,
    stateful,
  ),
  ResourceSparseApplyFtrlV2: op(
    'var:resource accum:resource linear:resource grad:T indices:Tindices lr:T l1:T l2:T l2_shrinkage:T lr_power:T ->',
    { ...sparse, multiply_linear_by_lr: attr.bool({ default: false }) },
    noOutputs,
    stateful,
  ),
  ResourceScatterSub: op('resource:resource indices:Tindices updates:dtype ->', scatter, noOutputs, stateful),
  ResourceScatterUpdate: op('resource:resource indices:Tindices updates:dtype ->', { ...scatter, dtype: attr.type() }, noOutputs, stateful),
} as const
