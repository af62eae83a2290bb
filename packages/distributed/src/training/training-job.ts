import type { ShuffleRows, Stream } from '@millrace/core'
import type { LayersModel } from '@tensorflow/tfjs'

/** What a trainer has to do: options of a training, checked and with their defaults. */
export interface TrainingJob {
  readonly layers: LayersModel
  /** Columns, one for each output. */
  readonly labels: readonly string[]
  readonly data: Stream
  readonly validation: Stream | undefined
  readonly batchSize: number
  readonly validationBatchSize: number
  readonly shuffle: ShuffleRows | undefined
  readonly signal: AbortSignal | undefined
}
