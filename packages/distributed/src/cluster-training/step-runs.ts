import { tensorNumbers, type Callable, type CallOptions, type FeedValue, type Session, type Tensor } from '@millrace/export'
import type { TrainingGraph } from '../training-graph/index.js'
import type { Control } from './control.js'
import type { FedBatch } from './fed-input.js'

/** What a run measured: of several steps the means. */
export interface StepResult {
  /** When the last of its steps was done. */
  readonly globalStep: number
  readonly loss: number
  readonly metrics: Readonly<Record<string, number>>
  /** Steps whose gradients came too late. */
  readonly dropped: number
}

type Run = Callable<readonly string[]>

/** Runs of as many steps as are wanted, each kind resolved once. */
export class StepRuns {
  readonly #kinds = new Map<number, Promise<Run>>()
  readonly #metrics: readonly string[]

  constructor(
    private readonly session: Session,
    private readonly training: TrainingGraph,
    private readonly control: Control,
    private readonly feeds: readonly Tensor[],
    private readonly limits: CallOptions,
  ) {
    this.#metrics = Object.keys(training.metrics)
  }

  async run({ steps, values }: FedBatch): Promise<StepResult> {
    const kind = this.#kinds.get(steps) ?? this.#make(steps)
    this.#kinds.set(steps, kind)
    const [step = 0, loss = NaN, dropped = 0, ...metrics] = (await (await kind).run(values as FeedValue[], this.limits)).map((one) => tensorNumbers(one)[0] ?? NaN)
    // In step with others, a worker tells the step that its gradients are for.
    const globalStep = this.training.synchronous === undefined ? step : step + 1
    return { globalStep, loss, dropped: this.training.synchronous === undefined ? 0 : dropped, metrics: Object.fromEntries(this.#metrics.map((name, index) => [name, metrics[index] ?? NaN])) }
  }

  #make(count: number): Promise<Run> {
    const { training } = this
    const last = training.steps[count - 1]!
    // Of steps that are not made nothing can be fetched: a short run tells of its last step.
    const measured = count === training.steps.length ? training : last
    const fetches = [last.globalStep, measured.loss, count === training.steps.length ? (training.synchronous?.stale ?? measured.loss) : measured.loss, ...Object.values(measured.metrics)]
    return this.session.makeCallable({ feeds: this.feeds.map(({ name }) => name), fetches: fetches.map(({ name }) => name), targets: [this.control.steps[count - 1]!.name] }, this.limits)
  }
}
