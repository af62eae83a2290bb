import { randomUUID } from 'node:crypto'
import type { CallOptions, Session } from '@millrace/export'
import type { CheckpointOps } from './checkpoint-ops.js'
import { encodePositions, type InputPosition } from './positions.js'

/** Feeds of a step that saves. Its parts go to a folder of their own, so that two saves never write the same files. */
export const saveFeeds = (ops: CheckpointOps, prefix: string, positions: readonly InputPosition[]) => [
  [ops.prefix.name, prefix],
  [ops.temporary.name, `${prefix}_temp_${randomUUID().replaceAll('-', '')}/part`],
  [ops.positions.name, encodePositions(positions)],
] as const

/**
 * Saves the variables, and positions of the input, as one checkpoint. Its `.index` is the last file to appear.
 *
 * @param prefix - path or URL without `.index`, as the servers see it; its folder has to be there
 * @throws `Engine` with TensorFlow's status; the checkpoint is then not to be used
 */
export const saveCheckpoint = async (session: Session, ops: CheckpointOps, prefix: string, positions: readonly InputPosition[] = [], options: CallOptions = {}): Promise<void> => {
  await session.run({ feeds: saveFeeds(ops, prefix, positions), targets: [ops.save.name] }, options)
}
