/** How far a piece of work is. Counts only grow within one stage. */
export interface ProgressEvent {
  /** What is going on, for people: `reading flights.json`, `epoch 3 of 10`. */
  readonly stage: string
  /** Units done so far. */
  readonly done: number
  /** Units in all, where known. */
  readonly total?: number | undefined
  /** What is counted. */
  readonly unit: 'rows' | 'bytes' | 'steps' | 'files'
  /** Figures worth showing beside the bar: `loss 0.48`. */
  readonly note?: string | undefined
  /** True on the stage's last event. */
  readonly finished?: boolean | undefined
}

/** Hears {@link ProgressEvent}s; called often, so it must be quick. */
export type ProgressListener = (event: ProgressEvent) => void
