import { failure, isMillraceError, type MillraceError } from '@millrace/core'
import { checkpointPath, type CallOptions, type CheckpointState, type Session } from '@millrace/export'
import { CheckpointFolder, type FolderOptions } from './checkpoint-folder.js'
import type { CheckpointOps } from './checkpoint-ops.js'
import type { InputPosition } from './positions.js'
import { readStep, restoreCheckpoint, type RestoreReport } from './restore-checkpoint.js'
import { saveCheckpoint } from './save-checkpoint.js'

/** Options of {@link checkpointManager}. */
export interface CheckpointManagerOptions extends FolderOptions {
  /** How many of the latest checkpoints to keep. Default 5; `Infinity` for all. */
  readonly keep?: number | undefined
  /** Of those that are no longer among the latest, one is kept for good when so many hours have passed since the one before. Default: none. */
  readonly keepEveryHours?: number | undefined
  /** For each step of a save or restore, of which those that move a table take long. Default 600,000. */
  readonly timeoutMs?: number | undefined
}

/** A checkpoint that was saved. */
export interface SavedCheckpoint {
  readonly prefix: string
  /**
   * The global step when the save began, which names it. Workers that are not in step go on meanwhile: values, the saved global step among
   * them, may be of some steps later, and a restore tells of that step.
   */
  readonly step: number
  /** Names of those that were removed since. */
  readonly removed: readonly string[]
  /** What went wrong without doing harm: an old checkpoint that could not be removed. */
  readonly warnings: readonly string[]
}

/** What was found at the start. */
export interface ResumeReport extends RestoreReport {
  /** Checkpoints that are newer and could not be used, and why. */
  readonly warnings: readonly string[]
}

/** Saves checkpoints into a folder, keeps the latest, and finds the one to go on from. Its calls come one after another. */
export interface CheckpointManager {
  /** Path or URL. */
  readonly folder: string
  /**
   * Saves a checkpoint of the current step, `<name>-<step>`. It counts when the state file names it, and only then old ones go.
   *
   * @throws `Engine`; what was there before is still there and good
   */
  save(positions?: readonly InputPosition[], options?: CallOptions): Promise<SavedCheckpoint>
  /**
   * Restores the latest checkpoint that is whole: those of the state file from the latest on, then any other that is there. One that is
   * damaged is passed over, with a warning. So one is found, too, whose save was cut off when it was whole and before the state file named
   * it, of which `latestCheckpoint` knows nothing.
   *
   * @returns `undefined` where there is none
   * @throws `Corrupt` where there are some and none can be used, so that nobody starts anew by mistake; `Model` for those of another model
   */
  restoreLatest(options?: CallOptions): Promise<ResumeReport | undefined>
}

const DEFAULT_KEEP = 5
const DEFAULT_TIMEOUT_MS = 600_000

/** TensorFlow's status for files that are cut short, damaged or not there. */
const damaged: ReadonlySet<string> = new Set(['TF_NOT_FOUND', 'TF_DATA_LOSS', 'TF_OUT_OF_RANGE', 'TF_INVALID_ARGUMENT', 'TF_INTERNAL'])

const isDamage = (thrown: unknown): thrown is MillraceError =>
  isMillraceError(thrown) && (thrown._tag === 'Corrupt' || thrown._tag === 'NotFound' || (thrown._tag === 'Engine' && damaged.has(thrown.code)))

/** A checkpoint in the state file. */
interface Kept {
  readonly path: string
  /** Seconds since 1970. */
  readonly time: number
}

class FolderManager implements CheckpointManager {
  readonly #session: Session
  readonly #ops: CheckpointOps
  readonly #files: CheckpointFolder
  readonly #keep: number
  readonly #keepSeconds: number
  readonly #limits: CallOptions
  /** What the state file says; read when it is first wanted. */
  #kept: readonly Kept[] | undefined
  #lastPreserved = Date.now() / 1000
  #swept = false
  /** Names that a save of this manager was under way with, and may be half there. */
  readonly #tried = new Set<string>()
  #queue: Promise<unknown> = Promise.resolve()

  constructor(session: Session, ops: CheckpointOps, { keep = DEFAULT_KEEP, keepEveryHours = Infinity, timeoutMs = DEFAULT_TIMEOUT_MS, ...folder }: CheckpointManagerOptions) {
    if (!(keep >= 1)) throw failure({ tag: 'Usage', code: 'CHECKPOINT_KEEP', problem: `keep is ${keep}`, remedy: 'Give a number from 1, or Infinity.' })
    if (!(keepEveryHours > 0)) throw failure({ tag: 'Usage', code: 'CHECKPOINT_KEEP', problem: `keepEveryHours is ${keepEveryHours}`, remedy: 'Give hours above 0.' })
    this.#session = session
    this.#ops = ops
    this.#files = new CheckpointFolder(session, ops, folder)
    this.#keep = keep
    this.#keepSeconds = keepEveryHours * 3600
    this.#limits = { timeoutMs }
  }

  get folder(): string {
    return this.#files.folder
  }

  save(positions: readonly InputPosition[] = [], options: CallOptions = {}): Promise<SavedCheckpoint> {
    return this.#next(() => this.#save(positions, { ...this.#limits, ...options }))
  }

  restoreLatest(options: CallOptions = {}): Promise<ResumeReport | undefined> {
    return this.#next(() => this.#restore({ ...this.#limits, ...options }))
  }

  #next<A>(work: () => Promise<A>): Promise<A> {
    const done = this.#queue.then(work, work)
    this.#queue = done.catch(() => undefined)
    return done
  }

  async #save(positions: readonly InputPosition[], limits: CallOptions): Promise<SavedCheckpoint> {
    const { step: variable } = this.#ops
    if (variable === undefined) throw failure({ tag: 'Usage', code: 'CHECKPOINT_STEP', problem: 'the variables have no global step, by which checkpoints are named', remedy: 'Use saveCheckpoint with a prefix of your own.' })
    const before = await this.#state(limits)
    const step = await readStep(this.#session, variable.value.name, limits)
    const name = this.#freeName(step, before)
    this.#tried.add(name)
    await saveCheckpoint(this.#session, this.#ops, this.#files.prefix(name), positions, limits)
    const all = [...before, { path: name, time: Date.now() / 1000 }]
    const { kept, dropped, lastPreserved } = this.#choose(all)
    await this.#files.writeState({ latest: name, all: kept.map(({ path }) => path), timestamps: kept.map(({ time }) => time), lastPreserved }, limits)
    this.#kept = kept
    this.#lastPreserved = lastPreserved
    const { removed, warnings } = await this.#removeOld(dropped, limits)
    return { prefix: this.#files.prefix(name), step, removed, warnings }
  }

  /** A save never writes over a checkpoint that counts, nor over one that a save of before may still be writing. */
  #freeName(step: number, kept: readonly Kept[]): string {
    const base = this.#files.nameOf(step)
    let name = base
    for (let again = 1; this.#tried.has(name) || kept.some(({ path }) => path === name); again += 1) name = `${base}_${again}`
    return name
  }

  /** As `tf.train.CheckpointManager` chooses. */
  #choose(all: readonly Kept[]): { readonly kept: readonly Kept[]; readonly dropped: readonly string[]; readonly lastPreserved: number } {
    const old = all.slice(0, Math.max(0, all.length - this.#keep))
    let lastPreserved = this.#lastPreserved
    const dropped = old.filter(({ time }) => {
      if (time - this.#keepSeconds < lastPreserved) return true
      lastPreserved = time
      return false
    })
    return { kept: all.slice(old.length), dropped: dropped.map(({ path }) => path), lastPreserved }
  }

  async #removeOld(names: readonly string[], limits: CallOptions): Promise<Pick<SavedCheckpoint, 'removed' | 'warnings'>> {
    const [removed, warnings]: [string[], string[]] = [[], []]
    const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
      try {
        await work()
      } catch (thrown) {
        if (!isMillraceError(thrown) || thrown._tag === 'Aborted') throw thrown
        warnings.push(`${what} could not be removed: ${thrown.message}`)
      }
    }
    for (const name of names) {
      await attempt(name, async () => {
        await this.#files.remove(name, limits)
        removed.push(name)
      })
    }
    if (!this.#swept) {
      this.#swept = true
      await attempt('what earlier saves left', () => this.#files.sweep(limits))
    }
    return { removed, warnings }
  }

  async #state(limits: CallOptions): Promise<readonly Kept[]> {
    if (this.#kept !== undefined) return this.#kept
    const state = await this.#files.state(limits)
    this.#kept = this.#remember(state)
    return this.#kept
  }

  #remember(state: CheckpointState | undefined): readonly Kept[] {
    if (state?.lastPreserved !== undefined) this.#lastPreserved = state.lastPreserved
    const own = `${this.folder}/`
    // Checkpoints elsewhere, which only an edited file names, are not ours to remove.
    return (state?.all ?? []).flatMap((path, at) => {
      const name = path.startsWith(own) ? path.slice(own.length) : path
      return name.includes('/') ? [] : [{ path: name, time: state?.timestamps[at] ?? Date.now() / 1000 }]
    })
  }

  async #restore(limits: CallOptions): Promise<ResumeReport | undefined> {
    const state = await this.#files.state(limits)
    this.#kept = this.#remember(state)
    const listed = await this.#files.list(limits)
    const named = state === undefined ? [] : [state.latest, ...state.all.filter((path) => path !== state.latest).reverse()]
    const candidates = [...new Set([...named, ...listed].map((path) => checkpointPath(this.folder, path)))]
    const warnings: string[] = []
    for (const prefix of candidates) {
      try {
        return { ...(await restoreCheckpoint(this.#session, this.#ops, prefix, limits)), warnings }
      } catch (thrown) {
        if (!isDamage(thrown)) throw thrown
        warnings.push(`${prefix} was passed over: ${thrown.message}`)
      }
    }
    if (candidates.length === 0) return undefined
    throw failure({
      tag: 'Corrupt', code: 'CHECKPOINT_NONE', problem: `none of the ${candidates.length} checkpoints can be used: ${warnings.join(' ')}`.replace(/\.$/, ''),
      remedy: 'Mend them from a copy, or start anew in another folder.', position: { source: this.folder },
    })
  }
}

/**
 * A manager of the checkpoints of one training, which a session reaches: the chief's.
 *
 * All servers have to see the folder. This process need not: see {@link FolderOptions}; where it does, the state file is replaced in
 * one step, and old checkpoints vanish.
 *
 * @example
 * const ops = addCheckpointOps(training.graph, training.variables)
 * const checkpoints = checkpointManager(session, ops, { folder: '/shared/run-1', keep: 3 })
 * if (await checkpoints.restoreLatest() === undefined) await session.run({ targets: [training.initialize] })
 * await checkpoints.save()
 */
export const checkpointManager = (session: Session, ops: CheckpointOps, options: CheckpointManagerOptions): CheckpointManager => new FolderManager(session, ops, options)
