import type { Session } from '@millrace/export'
import type { WorkerInput } from './fed-input.js'
import type { ClusterStep } from './options.js'
import type { RecoveryBounds } from './recovery.js'
import type { RecoveryEvent, WorkerReport } from './report.js'
import type { Trainer } from './roles.js'
import type { StepTime } from './step-time.js'
import type { BesideSteps } from './synchronous-updates.js'
import type { WorkerGraph } from './worker-graph.js'

/** What the chief does beside its steps. */
export interface Duties {
  /** Begins to show the others that it lives, in this session. */
  alive(session: Session): { stop(): Promise<void> }
  /** When it will not go on: tells the others. */
  abandon(session: Session): Promise<void>
  /** Begins what runs beside its steps, in this session. */
  beside(session: Session): BesideSteps | undefined
  /** After a step of its own. May change the last step. */
  afterStep(session: Session, globalStep: number): Promise<void>
  /** When it has done its steps: resolves when all others have, and everything is done that had to be. Rejects as at a fault when the generation is another one. */
  finish(session: Session, beside: BesideSteps | undefined, generation: number): Promise<void>
}

/** One worker to drive. */
export interface WorkerSetup {
  readonly trainer: Trainer
  readonly graph: WorkerGraph
  readonly input: WorkerInput
  readonly connect: () => Promise<Session>
  /** The chief's: looks at what is there, before it shows that it lives. */
  readonly look?: ((session: Session) => Promise<void>) | undefined
  /** Gives variables their values, or waits until they have some. Resolves with their generation. */
  readonly prepare: (session: Session) => Promise<number>
  /** The chief's. */
  readonly duties?: Duties | undefined
  /** How many workers there are. */
  readonly workers: number
  readonly inFlight: number
  /** The global step at which training ends unless something else ends it. */
  readonly targetStep: number
  readonly delivery: 'at-most-once' | 'at-least-once'
  readonly bounds: RecoveryBounds
  readonly stepTime: StepTime
  readonly signal: AbortSignal | undefined
  /** True when the training is over, where this process knows. */
  readonly isOver: () => boolean
  readonly onStep: (step: ClusterStep) => void
  readonly onRecovery: (event: RecoveryEvent) => void
}

/** Why a worker stopped. */
export type StopReason = 'steps' | 'data' | 'metric' | 'over'

/** What came of a worker. */
export interface WorkerResult {
  readonly report: WorkerReport
  readonly globalStep: number
  readonly reason: StopReason
  readonly loss: number | undefined
}
