import { randomUUID } from 'node:crypto'
import { shardName } from '@millrace/core'
import type { CallOptions, Session } from '@millrace/export'
import type { CheckpointOps } from './checkpoint-ops.js'
import { encodePositions, type InputPosition } from './positions.js'
import { writeServerFile } from './server-files.js'

/**
 * Saves the variables, and positions of the input, as one checkpoint; its folder is made where there is none. The parts are written
 * to a folder of their own beside it, `<prefix>_temp_…`, and the checkpoint's `.index` is the last file to appear.
 *
 * @param prefix - path or URL without `.index`, as the servers see it
 * @throws `Engine` with TensorFlow's status; the checkpoint is then not to be used
 */
export const saveCheckpoint = async (session: Session, ops: CheckpointOps, prefix: string, positions: readonly InputPosition[] = [], options: CallOptions = {}): Promise<void> => {
  // Of its own, so that two saves never write the same files.
  const temporary = `${prefix}_temp_${randomUUID().replaceAll('-', '')}/part`
  const feeds = [[ops.prefix.name, prefix], [ops.temporary.name, temporary], [ops.positions.name, encodePositions(positions)]] as const
  // SaveV2 makes one folder, WriteFile all that lead to it. The first part takes the place of this file.
  await writeServerFile(session, ops.files, `${shardName(temporary, 0, ops.parts)}.index`, '', options)
  await session.run({ feeds, targets: [ops.save.name] }, options)
}
