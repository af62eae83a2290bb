import { join } from 'node:path'
import { openEventFile } from '@millrace/export'

/** The event files of one training. */
export interface TrainingLog {
  /** Writes what was measured in an epoch, counted from 0 as Keras does. */
  epoch(epoch: number, metrics: Readonly<Record<string, number>>, learningRate: number | undefined): Promise<void>
  close(): Promise<void>
}

/**
 * Opens event files as Keras' `TensorBoard` callback lays them out: `train/` and `validation/`, with the tags `epoch_loss`,
 * `epoch_<metric>` and `epoch_learning_rate`.
 */
export const openTrainingLog = async (folder: string, validated: boolean): Promise<TrainingLog> => {
  const training = await openEventFile(join(folder, 'train'))
  const validation = validated ? await openEventFile(join(folder, 'validation')) : undefined
  return {
    epoch: async (epoch, metrics, learningRate) => {
      const tags = (of: (name: string) => string | undefined): Record<string, number> =>
        Object.fromEntries(Object.entries(metrics).flatMap(([name, value]) => (of(name) === undefined ? [] : [[`epoch_${of(name)}`, value]])))
      const trained = tags((name) => (name.startsWith('val_') ? undefined : name))
      await training.scalars(epoch, learningRate === undefined ? trained : { ...trained, epoch_learning_rate: learningRate })
      await validation?.scalars(epoch, tags((name) => (name.startsWith('val_') ? name.slice(4) : undefined)))
    },
    close: async () => {
      await training.close()
      await validation?.close()
    },
  }
}
