import type { ShuffleRows, Stream } from '@millrace/core'
import type { FeatureSet, ModelLike } from '@millrace/export'
import type { ReplicaDeviceSetterOptions } from '../placement/index.js'
import type { CheckpointManagerOptions, SavedCheckpoint } from '../checkpoints/index.js'
import type { TfRecordShard, TfRecordSourceOptions } from '../input/index.js'
import type { BatchSource, CompiledModelLike, TrainingGraphOptions } from '../training-graph/index.js'
import type { RecoveryBounds } from './recovery.js'
import type { ClusterEvaluation, RecoveryEvent } from './report.js'

/** What we need to know of a `tf.LayersModel` that trains on a cluster. It need not be compiled where loss and optimizer are options. */
export type ClusterModel = ModelLike & Partial<CompiledModelLike>

/** Rows to measure while the model trains. */
export interface ClusterValidation {
  /** Rows with the same columns as the training's; at least one. */
  readonly data: Stream<Stream['schema'], 'cold'>
  /** Steps between two evaluations. Default: one evaluation, at the end. */
  readonly everySteps?: number | undefined
  /** Rows of a step of validation. Default 1,024. */
  readonly batchSize?: number | undefined
}

/** Stop before the last step: within the bounds, of which at least one is given. */
export type StopAtMetric = {
  /** `loss` or one of the metrics, of the validation's rows. */
  readonly metric: string
} & ({ readonly atMost: number; readonly atLeast?: number | undefined } | { readonly atMost?: number | undefined; readonly atLeast: number })

/** Where and when the chief saves. */
export interface ClusterCheckpoints extends Pick<CheckpointManagerOptions, 'folder' | 'name' | 'keep' | 'keepEveryHours'> {
  /** Steps between two checkpoints. */
  readonly everySteps?: number | undefined
  /** Seconds between two checkpoints. Default 600, where `everySteps` are not given. */
  readonly everySeconds?: number | undefined
}

/** How a step is done. */
export interface ClusterStep {
  /** Steps done by all workers, as the worker that tells knows it. */
  readonly globalStep: number
  /** Of the batch, before the step, regularisation included. */
  readonly loss: number
  readonly metrics: Readonly<Record<string, number>>
  /** Which worker, counted through chief and workers. */
  readonly worker: number
}

/**
 * TFRecords of `tf.train.Example` that the workers' servers read: `tfRecordSource` without what a training says anyway. Where a manifest
 * lies beside them, as `writeTfRecords` leaves one, their compression is known, and it is seen to that raw shards have features and
 * transformed ones none.
 */
export type ServedFiles = Pick<TfRecordSourceOptions, 'files' | 'compression' | 'shuffle' | 'prefetch' | 'parallelism'>

/** Makes what a worker's graph reads, of its share. `epochs` and `shuffle` of the training are then its own affair. */
export type ServedSource = (shard: TfRecordShard) => BatchSource

/** Options of {@link trainOnCluster}. */
export interface ClusterTrainingOptions {
  /**
   * A stream that this process reads and feeds, each worker its share; or what the workers' servers read themselves, so that no row
   * passes through Node: TFRecord files, or a function that makes a source for a worker's share. Columns are the model's inputs (with
   * `inputs`, raw columns) and the label.
   */
  readonly data: Stream<Stream['schema'], 'cold'> | ServedFiles | ServedSource
  /** Column to predict, or a label of `inputs`; for a model with several outputs, columns or labels that have their names. */
  readonly label: string | readonly string[]
  /**
   * Dtype of labels in files that the servers read, where they are no label of `inputs`: `int64` for all whole numbers. Default: what the
   * manifest beside the files says, else float32.
   */
  readonly labelDType?: TrainingGraphOptions['labelDType']
  /** Fitted features named as the model's inputs: the graph then takes raw columns. Default: it takes the model's inputs. */
  readonly inputs?: FeatureSet | undefined
  /** Rows of a step of one worker. Default 32, as Keras. */
  readonly batchSize?: number | undefined
  /** How often each worker goes through its share. Default 1, or without end where `steps` are given. */
  readonly epochs?: number | undefined
  /** Everybody stops when all workers together have done so many steps. Those under way are finished. Default: the data decides. */
  readonly steps?: number | undefined
  /** Steps that one call makes, of what the servers read; with a stream there is one. Default 1. */
  readonly stepsPerRun?: number | undefined
  /** Mixes the rows of a stream anew each epoch. Default: the stream's order. */
  readonly shuffle?: ShuffleRows | undefined
  /** Default: that of the compiled model. */
  readonly loss?: TrainingGraphOptions['loss'] | undefined
  /** Default: that of the compiled model. */
  readonly optimizer?: TrainingGraphOptions['optimizer'] | undefined
  /** Default: those of the compiled model, where `outputMetrics` are not given either. */
  readonly metrics?: TrainingGraphOptions['metrics'] | undefined
  /** More metrics of single outputs, by their names. Default: those of the compiled model, where `metrics` are not given either. */
  readonly outputMetrics?: TrainingGraphOptions['outputMetrics'] | undefined
  /** What items of a class count for in the loss: `{ 0: 1, 1: 5 }`; for several outputs by the output's name. Default: all the same. */
  readonly classWeight?: TrainingGraphOptions['classWeight'] | undefined
  /** Column of the training's data that says what each row counts for in the loss; validation has no weights. Default: all the same. */
  readonly sampleWeight?: TrainingGraphOptions['sampleWeight'] | undefined
  readonly validation?: ClusterValidation | undefined
  readonly stopAt?: StopAtMetric | undefined
  /**
   * Checkpoints in a folder that all parameter servers share: saved now and then and at the end, and gone on from where there are some.
   * Default: none, so that a training whose parameter server is lost begins anew.
   */
  readonly checkpoints?: ClusterCheckpoints | undefined
  /**
   * As the chief: whether a process that begins goes on with a training that it finds under way on the parameter servers, in the place
   * of a chief that was lost; the report tells of it as `took over`. One that has ended or was aborted is never gone on with, nor one
   * that has other variables, nor one whose chief has shown no life for `recovery.timeoutMs`, since nobody waits for it any longer: the
   * report tells of that, too. With `false` none is, also where a cluster manager starts the chief again. A process that drives all
   * workers by itself goes on with none. Checkpoints are gone on from in any case. Default true.
   */
  readonly resume?: boolean | undefined
  /** Which parameter server holds which variable, and which tables are cut into parts. Default: as `replicaDeviceSetter`. */
  readonly placement?: Omit<ReplicaDeviceSetterOptions, 'ps' | 'job'> | undefined
  /**
   * Workers in step: each step is one update by the mean of their gradients. Ends for all when one of them is at the end of its data.
   * Default: each worker applies its own gradients, and waits for nobody.
   */
  readonly synchronous?: {
    /** Gradients that an update waits for. With fewer than there are workers the slowest ones' are dropped. Default: all. */
    readonly aggregate?: number | undefined
  } | undefined
  /** Steps that one worker has under way at the same time. More hide the network, and each works with older variables. In step it is one. Default 1. */
  readonly inFlight?: number | undefined
  /** What becomes of a batch when nobody knows whether its step was done. Default `at-most-once`: it is not fed again. */
  readonly delivery?: 'at-most-once' | 'at-least-once' | undefined
  readonly recovery?: RecoveryBounds | undefined
  /**
   * Whether this process runs the TensorFlow server of its task. `auto`: where nobody listens at its address yet. Default `auto`.
   * Without a task no server is started.
   */
  readonly server?: 'auto' | 'host' | 'external' | undefined
  /** Path of libtensorflow or of a folder that holds it, for servers in this process. */
  readonly library?: string | undefined
  /** Weights of variables with more bytes than this stay on the parameter servers. Default 256 MiB. */
  readonly fetchLimitBytes?: number | undefined
  /** Local folder for TensorBoard's event files, in `train/` and `validation/`. The chief writes them. */
  readonly tensorBoard?: string | undefined
  /** Steps of the chief between two entries of TensorBoard. Default 100. */
  readonly logEverySteps?: number | undefined
  /** Called after each step of a worker that this process drives. */
  readonly onStep?: ((step: ClusterStep) => void) | undefined
  readonly onCheckpoint?: ((checkpoint: SavedCheckpoint) => void) | undefined
  readonly onEvaluate?: ((evaluation: ClusterEvaluation) => void) | undefined
  readonly onRecovery?: ((event: RecoveryEvent) => void) | undefined
  /** Seed of dropout; each worker adds its number. Default 1. */
  readonly seed?: number | undefined
}
