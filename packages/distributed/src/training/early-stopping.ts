import { failure, requireCount } from '@millrace/core'

/** When to stop before the last epoch, as Keras' `EarlyStopping`. */
export interface EarlyStopping {
  /** Epochs without improvement after which training stops; 0, the default, stops at the first. */
  readonly patience?: number | undefined
  /** `loss`, `val_loss`, a metric of the model, or one with `val_` before it. Default `val_loss` with validation, else `loss`. */
  readonly metric?: string | undefined
  /** Whether less or more is better. Default: more for accuracies, AUC, precision and recall, else less. */
  readonly mode?: 'min' | 'max' | undefined
  /** A change must be larger than this to count. Default 0. */
  readonly minDelta?: number | undefined
  /** Whether the model ends with the weights of its best epoch. Default true (unlike Keras). */
  readonly restoreBest?: boolean | undefined
}

const moreIsBetter = /^(val_)?(.*acc|.*accuracy|auc|precision|recall|.*cosine.*)$/i

/** Watches one metric over the epochs. */
export class Monitor {
  bestEpoch = 0
  private best: number | undefined
  private readonly metric: string
  private readonly sign: number

  /**
   * @param measured - names of the values that there will be
   * @throws `Usage` when the metric is not among them
   */
  constructor(private readonly options: EarlyStopping, measured: readonly string[]) {
    requireCount(options.patience ?? 0, 0, 'patience of earlyStopping')
    this.metric = options.metric ?? (measured.includes('val_loss') ? 'val_loss' : 'loss')
    if (!measured.includes(this.metric)) {
      throw failure({ tag: 'Usage', code: 'NO_SUCH_METRIC', problem: `early stopping watches "${this.metric}", which is not measured`, remedy: `Measured are: ${measured.join(', ')}.` })
    }
    this.sign = (options.mode ?? (moreIsBetter.test(this.metric) ? 'max' : 'min')) === 'max' ? -1 : 1
  }

  /**
   * Notes the values of an epoch, counted from 1.
   *
   * @returns whether it is the best so far, and whether to stop
   */
  note(epoch: number, values: Readonly<Record<string, number>>): { readonly improved: boolean; readonly stop: boolean } {
    const value = values[this.metric]!
    const { minDelta = 0, patience = 0 } = this.options
    const improved = this.best === undefined || (this.best - value) * this.sign > Math.abs(minDelta)
    if (improved) {
      this.best = value
      this.bestEpoch = epoch
    }
    return { improved, stop: !improved && epoch - this.bestEpoch >= Math.max(1, patience) }
  }
}
