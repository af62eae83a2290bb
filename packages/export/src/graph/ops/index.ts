import type { OpDef } from '../op-def.js'
import { activationOps } from './activations.js'
import { arrayOps } from './arrays.js'
import { checkpointOps } from './checkpoints.js'
import { dataOps } from './data.js'
import { gradientOps } from './gradients.js'
import { mathOps } from './math.js'
import { optimizerOps } from './optimizers.js'
import { partitionOps } from './partitions.js'
import { queueOps } from './queues.js'
import { randomOps } from './random.js'
import { rearrangingOps } from './rearranging.js'
import { stateOps } from './state.js'
import { tableOps } from './tables.js'
import { textOps } from './text.js'
import { windowOps } from './windows.js'

/**
 * Every op that our graphs hold, as TensorFlow registers it (`tensorflow/core/ops/*.cc`); a test compares each with the registry.
 * Attributes of newer TensorFlows that have defaults are left out, so that older ones load what we write.
 */
export const ops = {
  ...stateOps,
  ...checkpointOps,
  ...arrayOps,
  ...rearrangingOps,
  ...mathOps,
  ...windowOps,
  ...activationOps,
  ...gradientOps,
  ...optimizerOps,
  ...partitionOps,
  ...tableOps,
  ...textOps,
  ...dataOps,
  ...queueOps,
  ...randomOps,
} as const

/** Name of an op in the table. */
export type OpName = keyof typeof ops

/** The op's definition, when the table has it. */
export const findOp = (name: string): OpDef | undefined => (Object.hasOwn(ops, name) ? (ops as Record<string, OpDef>)[name] : undefined)
