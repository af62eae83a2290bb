import { fixedColumn, type Column } from '../columns/index.js'
import { failure, requireOptions, type OptionRules } from '../errors/index.js'
import { job, type Job } from '../job/index.js'
import { randomFrom } from '../random/random.js'
import { field, requireColumn, type Float32, type Float64, type Int32, type Row, type Schema } from '../schema/index.js'
import { atPosition, batchFromRows, makeBatch, type Batch, type ColumnMap } from '../stream/batch.js'
import { requireCount, requireSeed } from '../stream/operators/counts.js'
import { countIn, type Json } from '../stream/position.js'
import { makeStream, type Stream } from '../stream/stream.js'
import { drawByWeight, drawWithoutReplacement, drawWithReplacement } from './draw.js'
import { ringColumn, type RingColumn } from './ring-column.js'
import { SumTree } from './sum-tree.js'

/**
 * Prioritised sampling (Schaul and others, 2015, arXiv:1511.05952): a row of priority p is as likely as (p + `epsilon`) ** `alpha`, and the column
 * `weight` of a sample holds what makes up for it in the loss, (rows × probability) ** -`beta`, over the largest of its batch.
 */
export interface PrioritizedOptions {
  /** 0 is uniform, 1 in proportion to the priority. Default 0.6. */
  readonly alpha?: number | undefined
  /** 0 leaves the bias, 1 makes up for it wholly. Default 0.4; a sample may say otherwise, so that it can grow. */
  readonly beta?: number | undefined
  /** Added to each priority, so that none is never drawn. Default 1e-6. */
  readonly epsilon?: number | undefined
}

/** Options of {@link replayBuffer}. */
export interface ReplayBufferOptions {
  /** Rows at most; then the oldest are written over. */
  readonly capacity: number
  /** Any safe integer; what is sampled depends on it, on the number of samples before and on what was added only. Default 0. */
  readonly seed?: number | undefined
}

/** How one batch is drawn. */
export interface SampleOptions {
  /** Any safe integer: the same rows each time, while the contents are the same. Default: the buffer's own seed, and another draw each time. */
  readonly seed?: number | undefined
  /** Whether a row may come twice. Default true. Without, weights of a prioritised sample are those of the first draw. */
  readonly replacement?: boolean | undefined
  /** `beta` of {@link PrioritizedOptions} for this sample. */
  readonly beta?: number | undefined
}

/** How a stream of samples is drawn. */
export interface SamplesOptions extends SampleOptions {
  /** Rows of a batch. Default 32. */
  readonly batchRows?: number | undefined
  /** Batches that one reading gives: an epoch of `train`. */
  readonly batches: number
}

const rules: OptionRules<ReplayBufferOptions & { readonly prioritized?: true | PrioritizedOptions | undefined }> = { capacity: 'any', seed: 'any', prioritized: 'any' }
const prioritizedRules: OptionRules<PrioritizedOptions> = { alpha: 'any', beta: 'any', epsilon: 'any' }
const sampleRules: OptionRules<SampleOptions> = { seed: 'any', replacement: 'boolean', beta: 'any' }
const samplesRules: OptionRules<SamplesOptions> = { ...sampleRules, batchRows: 'any', batches: 'any' }

/** Where a buffer's sampler stands: small, plain JSON. The contents are saved by `contents()`. */
export interface ReplayState {
  readonly [key: string]: Json
  readonly seed: number
  /** Samples drawn. */
  readonly drawn: number
  /** Rows ever added. */
  readonly added: number
}

/** Columns of a prioritised sample: `slot` names the row for `update`, `weight` goes to the loss. */
export type PrioritizedSchema<S extends Schema> = S & { readonly slot: Int32; readonly weight: Float32 }

/**
 * The last rows of an agent's experience. `Out` is the schema of its samples, `Saved` that of its contents.
 *
 * Not for two writers: rows are added and sampled by one thread, between which a batch that was given stays as it is.
 */
export interface ReplayBuffer<S extends Schema, Out extends Schema = S, Saved extends Schema = S> {
  readonly schema: S
  readonly capacity: number
  /** Rows that it holds. */
  readonly size: number
  /** Rows ever added. */
  readonly added: number
  /**
   * Adds rows or a batch, all or none of them; a prioritised buffer gives them the highest priority so far, so that each is seen once.
   *
   * @throws `BadRecord` with row and column for a value that does not fit
   */
  add(rows: readonly Row<S>[] | Batch<S>): void
  /** Adds all rows of a stream, which deals with bad rows as it was told, contents that were saved among them. Gives how many. */
  fill(rows: Stream<S>): Job<number>
  /** `count` rows, in random order. @throws `Usage` from an empty buffer, and without replacement for more rows than it holds */
  sample(count: number, options?: SampleOptions): Batch<Out>
  /** Samples as a stream, drawn when they are asked for, from what the buffer holds then: the data of `train` and `trainOnCluster`. */
  samples(options: SamplesOptions): Stream<Out, 'cold'>
  /**
   * Sets priorities, for instance the size of each row's last error, of the slots of a sample.
   *
   * @throws `Usage` in a buffer without priorities, for a slot without a row, and for a priority that is negative, not finite, or so large that the sum of all would not be
   */
  update(slots: ArrayLike<number>, priorities: ArrayLike<number>): void
  /** All rows, the oldest first, to preview or to write to Arrow or TFRecord; with their `priority` where there is one. */
  contents(): Stream<Saved, 'cold'>
  /** Where the sampler stands. */
  state(): ReplayState
  /** Goes on from a state: fill an empty buffer with the contents, then restore. @throws `Usage` for another thing, or other contents */
  restore(state: Json): void
}

const DEFAULT_BATCH_ROWS = 32
/** More rows than a step of training takes; they are drawn, and their columns made, all at once. */
const MOST_DRAWN = 2 ** 24
const CONTENTS_BATCH_ROWS = 4096

/**
 * A buffer of rows for reinforcement learning, sampled by seed. Fixed-width columns and lists with a `size` lie in typed arrays that are made
 * once and written over; other columns are held value by value.
 *
 * @example
 * const schema = { state: field.list(field.float32(), { size: 4 }), action: field.int32(), reward: field.float32() }
 * const replay = replayBuffer(schema, { capacity: 100_000, seed: 7 })
 * replay.add([{ state: [0, 0, 0, 0], action: 1, reward: 1 }])
 * await run(train(model, { data: pipe(replay.samples({ batches: 100 }), targets), label: 'target', epochs: 1 }))
 */
export function replayBuffer<S extends Schema>(
  schema: S,
  options: ReplayBufferOptions & { readonly prioritized: true | PrioritizedOptions },
): ReplayBuffer<S, PrioritizedSchema<S>, S & { readonly priority: Float64 }>
export function replayBuffer<S extends Schema>(schema: S, options: ReplayBufferOptions & { readonly prioritized?: undefined }): ReplayBuffer<S>
export function replayBuffer<S extends Schema>(
  schema: S,
  options: ReplayBufferOptions & { readonly prioritized?: true | PrioritizedOptions | undefined },
): ReplayBuffer<S, Schema, Schema> {
  return new RingBuffer(schema, options)
}

/** What is made with room for `capacity` rows. @throws `Limit` for more than there can be */
const allocated = <A>(capacity: number, make: () => A): A => {
  try {
    return make()
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw failure({ tag: 'Limit', code: 'CAPACITY', problem: `there is no room for ${capacity} rows`, remedy: 'Give a smaller capacity.', cause })
  }
}

/** Priorities of slots, and the weights that they make. */
class Priorities {
  readonly alpha: number
  readonly beta: number
  private readonly epsilon: number
  readonly tree: SumTree
  private readonly values: Float64Array
  private highest = 1

  constructor({ alpha = 0.6, beta = 0.4, epsilon = 1e-6 }: PrioritizedOptions, capacity: number) {
    for (const [name, value] of Object.entries({ alpha, beta, epsilon })) {
      if (!Number.isFinite(value) || value < 0) throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `${name} of a prioritized buffer is ${value}`, remedy: 'Give a number from 0 on.' })
    }
    this.alpha = alpha
    this.beta = beta
    this.epsilon = epsilon
    this.tree = new SumTree(capacity)
    this.values = new Float64Array(capacity)
  }

  get(slot: number): number {
    return this.values[slot]!
  }

  set(slot: number, priority = this.highest): void {
    if (!Number.isFinite(priority) || priority < 0) throw failure({ tag: 'Usage', code: 'BAD_PRIORITY', problem: `a priority is ${priority}`, remedy: 'Give a number from 0 on, for instance the absolute error.' })
    const weight = (priority + this.epsilon) ** this.alpha
    // The sum of as many as there are slots is to be a number.
    if (!(weight <= Number.MAX_VALUE / 2 / this.values.length)) {
      throw failure({ tag: 'Usage', code: 'BAD_PRIORITY', problem: `a priority is ${priority}, and the sum of all would be too large for a number`, remedy: 'Give smaller ones, for instance the absolute error, clipped.' })
    }
    this.values[slot] = priority
    this.highest = Math.max(this.highest, priority)
    this.tree.set(slot, weight)
  }

  /** What makes up for how likely each slot is, over the largest of them. */
  weights(slots: Int32Array, beta: number): Float32Array {
    const weights = Float64Array.from(slots, (slot) => this.tree.get(slot))
    const least = weights.reduce((least, weight) => Math.min(least, weight), Infinity)
    // Over the largest, which is that of the least likely, the number of rows and the sum of all weights cancel out; and so nothing overflows.
    return Float32Array.from(weights, (weight) => (weight / least) ** -beta)
  }
}

class RingBuffer<S extends Schema> implements ReplayBuffer<S, Schema, Schema> {
  readonly capacity: number
  added = 0
  private seed: number
  private drawn = 0
  private readonly rings: readonly (readonly [name: string, ring: RingColumn])[]
  private readonly priorities: Priorities | undefined
  private readonly sampled: Schema

  constructor(
    readonly schema: S,
    options: ReplayBufferOptions & { readonly prioritized?: true | PrioritizedOptions | undefined },
  ) {
    requireOptions('replayBuffer', options, rules)
    const { capacity, seed = 0, prioritized } = options
    if (prioritized !== true) requireOptions('prioritized of replayBuffer', prioritized, prioritizedRules)
    this.capacity = requireCount(capacity, 1, 'the capacity of a replay buffer')
    requireSeed(seed, 'the seed of a replay buffer')
    this.seed = seed
    this.rings = allocated(capacity, () => Object.entries(schema).map(([name, of]) => [name, ringColumn(of, capacity)] as const))
    this.priorities = prioritized === undefined ? undefined : allocated(capacity, () => new Priorities(prioritized === true ? {} : prioritized, capacity))
    if (this.priorities !== undefined) refuseNames(schema, ['slot', 'weight', 'priority'])
    this.sampled = this.priorities === undefined ? schema : { ...schema, slot: field.int32(), weight: field.float32() }
  }

  get size(): number {
    return Math.min(this.added, this.capacity)
  }

  add(rows: readonly Row<S>[] | Batch<S>): void {
    this.append('numRows' in rows ? (rows as Batch<S>) : batchFromRows(this.schema, rows as readonly Row<S>[], this.added))
  }

  private append(batch: Batch): void {
    const columns = batch.columns as ColumnMap
    for (const name in this.schema) requireColumn(batch.schema, name, 'the batch')
    const own = makeBatch(this.schema, columns, batch.numRows)
    const saved = this.priorities === undefined ? undefined : columns['priority']
    // Of more rows than there are slots, the last stay.
    let row = Math.max(0, batch.numRows - this.capacity)
    this.added += row
    while (row < batch.numRows) {
      const slot = this.added % this.capacity
      const count = Math.min(batch.numRows - row, this.capacity - slot)
      for (const [name, ring] of this.rings) ring.write(slot, (own.columns as ColumnMap)[name]!, row, row + count)
      for (let i = 0; i < count; i++) this.priorities?.set(slot + i, saved === undefined ? undefined : (saved.get(row + i) as number))
      this.added += count
      row += count
    }
  }

  fill(rows: Stream<S>): Job<number> {
    return job(async (context) => {
      let count = 0
      for await (const batch of rows.open(context)) {
        this.append(batch)
        count += batch.numRows
      }
      return count
    })
  }

  sample(count: number, options: SampleOptions = {}): Batch {
    requireOptions('sample', options, sampleRules)
    const draw = options.seed === undefined ? this.drawn++ : 0
    return this.draw(count, options, options.seed ?? this.seed, draw)
  }

  private draw(count: number, { replacement = true, beta }: SampleOptions, seed: number, draw: number): Batch {
    if (requireCount(count, 1, 'the rows of a sample') > MOST_DRAWN) {
      throw failure({ tag: 'Usage', code: 'BAD_COUNT', problem: `${count} rows were asked of a replay buffer at once`, remedy: `Ask for at most ${MOST_DRAWN} at a time.` })
    }
    requireSeed(seed, 'the seed of a sample')
    if (this.size === 0) throw failure({ tag: 'Usage', code: 'EMPTY_BUFFER', problem: 'a sample was asked of a replay buffer without rows', remedy: 'Add rows first.' })
    if (!replacement && count > this.size) {
      throw failure({ tag: 'Usage', code: 'BUFFER_TOO_SMALL', problem: `${count} different rows were asked of a replay buffer of ${this.size}`, remedy: 'Ask for fewer, or with replacement.' })
    }
    const random = randomFrom(seed, draw)
    const { priorities } = this
    if (priorities === undefined) return this.rows(replacement ? drawWithReplacement(count, this.size, random) : drawWithoutReplacement(count, this.size, random))
    const slots = drawByWeight(count, priorities.tree, replacement, random)
    const weights = priorities.weights(slots, beta ?? priorities.beta)
    return this.rows(slots, this.sampled, { slot: fixedColumn(field.int32(), slots), weight: fixedColumn(field.float32(), weights) })
  }

  private rows(slots: Int32Array, schema: Schema = this.schema, more: ColumnMap = {}): Batch {
    const columns: { [name: string]: Column } = { ...more }
    for (const [name, ring] of this.rings) columns[name] = ring.take(slots)
    return makeBatch(schema, columns, slots.length)
  }

  samples(options: SamplesOptions): Stream<Schema, 'cold'> {
    requireOptions('samples', options, samplesRules)
    const batchRows = requireCount(options.batchRows ?? DEFAULT_BATCH_ROWS, 1, 'batchRows of samples')
    const batches = requireCount(options.batches, 1, 'batches of samples')
    return makeStream<Schema, 'cold'>({
      schema: this.sampled,
      mode: 'cold',
      plan: { operator: 'source:replay', options: { batchRows, batches, prioritized: this.priorities !== undefined }, inputs: [] },
      stableOrder: false,
      positions: 'native',
      open: (context) => this.draws(options, batchRows, batches, context),
    })
  }

  private async *draws(options: SamplesOptions, batchRows: number, batches: number, { from, tally }: Parameters<Stream['open']>[0] & {}): AsyncGenerator<Batch, void, undefined> {
    // With a seed each reading draws the same, which its position counts from 0; else it goes on where the buffer stands.
    if (from !== undefined && options.seed === undefined) this.drawn = countIn(from, 'drawn')
    for (let batch = from === undefined ? 0 : countIn(from, 'batch'); batch < batches; batch++) {
      const drawn = this.draw(batchRows, options, options.seed ?? this.seed, options.seed === undefined ? this.drawn++ : batch)
      tally?.deliver(drawn.numRows)
      yield atPosition(drawn, { batch: batch + 1, drawn: this.drawn })
    }
  }

  update(slots: ArrayLike<number>, priorities: ArrayLike<number>): void {
    if (this.priorities === undefined) throw failure({ tag: 'Usage', code: 'NO_PRIORITIES', problem: 'the replay buffer has no priorities', remedy: 'Make it with { prioritized: true }.' })
    if (slots.length !== priorities.length) throw failure({ tag: 'Usage', code: 'LENGTH_MISMATCH', problem: `${priorities.length} priorities were given for ${slots.length} slots` })
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!
      if (!Number.isInteger(slot) || slot < 0 || slot >= this.size) throw failure({ tag: 'Usage', code: 'NO_SUCH_SLOT', problem: `the replay buffer has no row in slot ${slot}`, remedy: "Give a sample's column `slot`." })
      this.priorities.set(slot, priorities[i])
    }
  }

  contents(): Stream<Schema, 'cold'> {
    const { priorities } = this
    const schema: Schema = priorities === undefined ? this.schema : { ...this.schema, priority: field.float64() }
    return makeStream<Schema, 'cold'>({
      schema,
      mode: 'cold',
      plan: { operator: 'source:replay', options: { contents: true }, inputs: [] },
      stableOrder: false,
      positions: 'native',
      open: (context) => this.rowsInOrder(schema, context.from === undefined ? 0 : countIn(context.from, 'rows'), context.tally),
    })
  }

  private async *rowsInOrder(schema: Schema, from: number, tally: { deliver(rows: number): void }): AsyncGenerator<Batch, void, undefined> {
    const { size, priorities } = this
    const oldest = this.added - size
    for (let row = from; row < size; row += CONTENTS_BATCH_ROWS) {
      const slots = Int32Array.from({ length: Math.min(CONTENTS_BATCH_ROWS, size - row) }, (_, i) => (oldest + row + i) % this.capacity)
      const more = priorities === undefined ? {} : { priority: fixedColumn(field.float64(), Float64Array.from(slots, (slot) => priorities.get(slot))) }
      tally.deliver(slots.length)
      yield atPosition(this.rows(slots, schema, more), { rows: row + slots.length })
    }
  }

  state(): ReplayState {
    return { seed: this.seed, drawn: this.drawn, added: this.added }
  }

  restore(state: Json): void {
    const added = countIn(state, 'added')
    const drawn = countIn(state, 'drawn')
    const { seed } = state as ReplayState
    requireSeed(seed, 'the seed of a saved state')
    if (Math.min(added, this.capacity) !== this.size) {
      throw failure({
        tag: 'Usage', code: 'OTHER_CONTENTS',
        problem: `the state is of a buffer with ${Math.min(added, this.capacity)} rows in ${this.capacity} slots, and this one holds ${this.size}`,
        remedy: 'Fill an empty buffer of the same capacity with the contents that were saved with the state, then restore.',
      })
    }
    this.turnTo(added)
    this.seed = seed
    this.drawn = drawn
  }

  /** Moves the rows to the slots that they had when so many were added: samples name slots. */
  private turnTo(added: number): void {
    if (added % this.capacity === this.added % this.capacity) {
      this.added = added
      return
    }
    const { size, priorities } = this
    const oldest = this.added - size
    const slots = Int32Array.from({ length: size }, (_, i) => (oldest + i) % this.capacity)
    const saved = Float64Array.from(slots, (slot) => priorities?.get(slot) ?? 0)
    const rows = this.rows(slots)
    this.added = added - size
    this.append(priorities === undefined ? rows : makeBatch({ ...this.schema, priority: field.float64() }, { ...(rows.columns as ColumnMap), priority: fixedColumn(field.float64(), saved) }, size))
  }

  /** Notebooks and `console.log` show what it holds. */
  toString(): string {
    return `ReplayBuffer(${this.size} of ${this.capacity} rows: ${Object.keys(this.schema).join(', ')})`
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

const refuseNames = (schema: Schema, names: readonly string[]): void => {
  for (const name of names) {
    if (Object.hasOwn(schema, name)) throw failure({ tag: 'Schema', code: 'BAD_COLUMN_NAME', problem: `a prioritized replay buffer has a column "${name}" of its own`, remedy: 'Rename yours.' })
  }
}
