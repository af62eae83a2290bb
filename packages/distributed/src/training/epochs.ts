import { failure, type RunContext } from '@millrace/core'
import type { LayersModel } from '@tensorflow/tfjs'
import type { Monitor } from './early-stopping.js'
import { learningRate, Snapshot } from './model.js'
import { checkWeights } from './not-finite.js'
import type { Trainer } from './trainer.js'
import type { TrainingLog } from './training-log.js'

/** What one epoch came to. */
export interface EpochReport {
  /** From 1. */
  readonly epoch: number
  /** Mean over the epoch's rows, each under the weights of its step, regularisation included. */
  readonly loss: number
  /** Loss of the validation rows under the weights at the end of the epoch, without regularisation. */
  readonly valLoss: number | undefined
  /** All that was measured, by Keras' names: `loss`, `val_loss`, `acc`, `val_acc`, … */
  readonly metrics: Readonly<Record<string, number>>
  readonly seconds: number
}

/** What all epochs came to. */
export interface EpochsReport {
  readonly epochs: readonly EpochReport[]
  /** Epoch, from 1, whose weights the model has. */
  readonly bestEpoch: number
  /** Whether early stopping ended it. */
  readonly stoppedEarly: boolean
  readonly steps: number
  /** Rows of one epoch. */
  readonly rows: number
  readonly validationRows: number
}

/** What {@link runEpochs} needs. */
export interface EpochsOptions {
  readonly layers: LayersModel
  /** Closed at the end. */
  readonly trainer: Trainer
  readonly validated: boolean
  readonly epochs: number
  readonly log: TrainingLog | undefined
  /** Watches for the end. */
  readonly monitor: Monitor | undefined
  /** Whether the model ends with the weights of the monitor's best epoch. */
  readonly restoreBest: boolean
  readonly onEpoch: ((epoch: EpochReport) => void) | undefined
}

/**
 * Trains epoch after epoch, until there were enough or early stopping ends it. However it ends, the model has the weights of the last
 * step then, or of the best epoch.
 */
export const runEpochs = async (options: EpochsOptions, { progress }: RunContext): Promise<EpochsReport> => {
  const { layers, trainer, validated, epochs: limit, log, monitor, restoreBest, onEpoch } = options
  const names = layers.metricsNames
  const best = new Snapshot(layers)
  const reports: EpochReport[] = []
  let steps = 0
  let rows = 0
  let validationRows = 0
  let stoppedEarly = false
  try {
    try {
      for (let epoch = 1; epoch <= limit && !stoppedEarly; epoch++) {
        const started = performance.now()
        const stage = `epoch ${epoch} of ${limit}`
        const total = rows === 0 ? undefined : rows
        const trained = await trainer.train(epoch - 1, (done, means) => progress?.({ stage, done, total, unit: 'rows', note: `loss ${means[0]!.toFixed(4)}` }))
        rows = trained.rows
        steps += trained.steps
        if (rows === 0) throw noRows('data', 'there is nothing to train on')
        const measured = validated ? await trainer.validate() : undefined
        if (measured?.rows === 0) throw noRows('validation', 'there is nothing to measure')
        validationRows = measured?.rows ?? 0

        const metrics = Object.fromEntries([
          ...names.map((name, i) => [name, trained.means[i]!] as const),
          ...(measured === undefined ? [] : names.map((name, i) => [`val_${name}`, measured.means[i]!] as const)),
        ])
        const report: EpochReport = { epoch, loss: metrics['loss']!, valLoss: metrics['val_loss'], metrics, seconds: (performance.now() - started) / 1000 }
        reports.push(report)
        await log?.epoch(epoch - 1, metrics, learningRate(layers))
        const { improved, stop } = monitor?.note(epoch, metrics) ?? { improved: false, stop: false }
        if (onEpoch !== undefined || (improved && restoreBest)) await trainer.publish()
        progress?.({ stage, done: rows, total: rows, unit: 'rows', note: note(report), finished: true })
        onEpoch?.(report)
        if (improved && restoreBest) best.take()
        stoppedEarly = stop
      }
    } finally {
      await trainer.close()
    }
    await checkWeights(layers)
    best.restore()
    return { epochs: reports, bestEpoch: monitor !== undefined && restoreBest ? monitor.bestEpoch : reports.length, stoppedEarly, steps, rows, validationRows }
  } finally {
    best.dispose()
  }
}

const noRows = (option: string, consequence: string): Error =>
  failure({ tag: 'Usage', code: 'NO_ROWS', problem: `${consequence}: the stream that is given as ${option} has no rows`, remedy: 'Check its source, its filters and its split.' })

const note = ({ loss, valLoss }: EpochReport): string => `loss ${loss.toFixed(4)}${valLoss === undefined ? '' : `, validation ${valLoss.toFixed(4)}`}`
