import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { noOutputs, readVariable, scalar, type ShapeFunction } from '../shape-function.js'
import type { Shape } from '../shape.js'
import { realNumbers } from './dtype-sets.js'

const stateful = { stateful: true }
const shared = { container: attr.string({ default: '' }), shared_name: attr.string({ default: '' }) }
const numbers = attr.type({ allowed: realNumbers })
const accumulator = { dtype: numbers, shape: attr.shape(), ...shared, reduction_type: attr.string({ default: 'MEAN' }) }
const timeout = { timeout_ms: attr.int({ default: -1 }) }
const types = attr.types({ minimum: 1 })

/** Indices, rows and the shape of the whole. */
const takenSlices: ShapeFunction = (context) => {
  const [shape] = readVariable(context)
  return [[null], shape === undefined ? undefined : [null, ...shape.slice(1)], [shape?.length ?? null]]
}

/** The elements of a queue, one behind the other. */
const manyElements: ShapeFunction = (context) => {
  const shapes = context.inputs[0]?.node.attrs['shapes'] as readonly Shape[] | undefined
  const count = (context.attrs['component_types'] as readonly unknown[]).length
  return Array.from({ length: count }, (_, index) => {
    const shape = shapes?.[index]
    return shape === undefined ? undefined : [null, ...shape]
  })
}

/**
 * What synchronous training waits in (`tensorflow/core/ops/data_flow_ops.cc`). Handles of sparse accumulators are references, which
 * do not travel: what takes one has to be on its device.
 */
export const queueOps = {
  ResourceConditionalAccumulator: op('-> handle:resource', accumulator, scalar, stateful),
  ResourceAccumulatorApplyGradient: op('handle:resource local_step:int64 gradient:dtype ->', { dtype: numbers }, noOutputs, stateful),
  ResourceAccumulatorTakeGradient: op('handle:resource num_required:int32 -> average:dtype', { dtype: numbers }, readVariable, stateful),
  ResourceAccumulatorSetGlobalStep: op('handle:resource new_global_step:int64 ->', {}, noOutputs, stateful),
  SparseConditionalAccumulator: op('-> handle:string', accumulator, scalar, stateful),
  SparseAccumulatorApplyGradient: op(
    'handle:string local_step:int64 gradient_indices:int64 gradient_values:dtype gradient_shape:int64 ->',
    { dtype: numbers, has_known_shape: attr.bool() },
    noOutputs,
  ),
  SparseAccumulatorTakeGradient: op(
    'handle:string num_required:int32 -> indices:int64 values:dtype shape:int64', { dtype: numbers }, takenSlices,
  ),
  AccumulatorSetGlobalStep: op('handle:string new_global_step:int64 ->', {}, noOutputs),
  FIFOQueueV2: op(
    '-> handle:resource',
    { component_types: types, shapes: attr.shapes({ default: [], minimum: 0 }), capacity: attr.int({ default: -1 }), ...shared },
    scalar,
    stateful,
  ),
  QueueEnqueueV2: op('handle:resource components:Tcomponents ->', { Tcomponents: types, ...timeout }, noOutputs, stateful),
  QueueEnqueueManyV2: op('handle:resource components:Tcomponents ->', { Tcomponents: types, ...timeout }, noOutputs, stateful),
  QueueDequeueManyV2: op('handle:resource n:int32 -> components:component_types', { component_types: types, ...timeout }, manyElements, stateful),
  QueueSizeV2: op('handle:resource -> size:int32', {}, scalar, stateful),
} as const
