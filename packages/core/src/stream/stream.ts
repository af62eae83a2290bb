import { failure, throwIfAborted } from '../errors/index.js'
import type { RunContext } from '../job/index.js'
import { giveTurn } from '../job/give-turn.js'
import { describeField, requireFields, sameField, type Schema } from '../schema/index.js'
import { wantedSchema } from './columns-of.js'
import type { Batch } from './batch.js'
import { requireNames } from './own-value.js'
import { explainPlan, type PlanNode } from './plan.js'
import type { Position } from './position.js'
import { RowCount } from './row-count.js'
import { Reading, type ReadingEnd } from './reading.js'
import { LaterSchema } from './schema-later.js'
import type { Tally } from './tally.js'

/** Whether iterating a stream again gives its rows again: `cold` opens the source anew, `once` cannot. */
export type Mode = 'cold' | 'once'

/** What a stream is opened with. */
export interface OpenOptions extends RunContext {
  /** Begin after this position, which the same stream gave. Default: the beginning. */
  readonly from?: Position | undefined
  /** Counts records read and rejected. Default: a new one. */
  readonly tally?: Tally | undefined
  /**
   * Columns that will be looked at; sources may leave the others out of their batches only if the operator that asked
   * picks its own columns. Default: all.
   */
  readonly columns?: readonly string[] | undefined
}

/** {@link OpenOptions} as sources and operators see them: the tally is always there. */
export interface OpenContext extends OpenOptions {
  readonly tally: Tally
}

/**
 * Typed columnar data that can be read from its beginning as often as one likes (`cold`), or only once (`once`).
 *
 * A stream does nothing until it is iterated; it is described by `plan`. Batches come in order, one at a time; leaving the
 * loop early closes the source.
 */
export interface Stream<out S extends Schema = Schema, out M extends Mode = Mode> extends AsyncIterable<Batch<S>> {
  /**
   * The columns.
   *
   * @throws `Usage` SCHEMA_UNKNOWN where they are not known yet, as of a reader that was given no schema; `findSchema` looks them up
   */
  readonly schema: S
  /** The columns; `undefined` where they are not known yet. */
  readonly knownSchema: S | undefined
  readonly mode: M
  readonly plan: PlanNode
  /**
   * True when reading the stream again gives the same rows in the same order. What depends on it (a seeded split, a
   * position) refuses streams that cannot say so.
   */
  readonly stableOrder: boolean
  /** The columns, looked up in the source where they are not known yet (headers, footers, a description); no row is read. */
  findSchema(context?: RunContext): Promise<S>
  /** Opens the stream with a signal, a position, a tally. */
  open(options?: OpenOptions): AsyncGenerator<Batch<S>, void, undefined>
  /** The plan as text. */
  explain(): string
  /** `stream.pipe(f, g)` is `g(f(stream))`, for notebooks. */
  pipe<A>(ab: (stream: this) => A): A
  pipe<A, B>(ab: (stream: this) => A, bc: (a: A) => B): B
  pipe<A, B, C>(ab: (stream: this) => A, bc: (a: A) => B, cd: (b: B) => C): C
  pipe<A, B, C, D>(ab: (stream: this) => A, bc: (a: A) => B, cd: (b: B) => C, de: (c: C) => D): D
  pipe<A, B, C, D, E>(ab: (stream: this) => A, bc: (a: A) => B, cd: (b: B) => C, de: (c: C) => D, ef: (d: D) => E): E
  pipe<A, B, C, D, E, F>(ab: (stream: this) => A, bc: (a: A) => B, cd: (b: B) => C, de: (c: C) => D, ef: (d: D) => E, fg: (e: E) => F): F
}

/** What {@link makeStream} needs to know of a stream. */
export interface StreamDefinition<S extends Schema, M extends Mode> {
  readonly schema: S | LaterSchema<S>
  readonly mode: M
  readonly plan: PlanNode
  readonly stableOrder: boolean
  /**
   * How positions come about.
   *
   * - `native`: every batch of `open` carries the position after it, and `open` honours `context.from`. Sources do this;
   *   operators that make one batch of one batch hand on the position of the batch they were given.
   * - `replay`: `open` knows nothing of positions. The stream counts the rows it gave, and resumes by opening again and
   *   dropping as many, which takes a stable order.
   */
  readonly positions: 'native' | 'replay'
  /** Opens the stream. Must release what it holds when the generator is returned early. */
  readonly open: (context: OpenContext) => AsyncGenerator<Batch<S>, void, undefined>
}

/** What makes an order one that is the same each time. */
const SAME_EACH_TIME = 'Of fromIterable, say stableOrder: true where the function gives the same rows in the same order each time; else cache() the stream, or sort it with unique: true,'

class DefinedStream<S extends Schema, M extends Mode> {
  declare readonly schema: S
  readonly mode: M
  readonly plan: PlanNode
  readonly stableOrder: boolean
  knownSchema: S | undefined
  private opened = false

  constructor(private readonly definition: StreamDefinition<S, M>) {
    if (!(definition.schema instanceof LaterSchema)) this.knownSchema = checked(definition.schema, definition.plan)
    // Copies of a stream (`{ ...stream, open }`) have it where it is known.
    Object.defineProperty(this, 'schema', { get: () => this.requireSchema(), enumerable: this.knownSchema !== undefined })
    this.mode = definition.mode
    this.plan = definition.plan
    this.stableOrder = definition.stableOrder
  }

  private requireSchema(): S {
    if (this.knownSchema !== undefined) return this.knownSchema
    throw failure({
      tag: 'Usage',
      code: 'SCHEMA_UNKNOWN',
      problem: `the columns of this stream (${this.plan.operator}) are not known before its source is looked at`,
      remedy: 'Call await stream.findSchema() first, or give the reader a schema (as parquetSchema, csvSchema, arrowFileSchema or sqlSchema find it).',
    })
  }

  async findSchema(context: RunContext = {}): Promise<S> {
    const { schema } = this.definition
    if (this.knownSchema === undefined && schema instanceof LaterSchema) {
      const found = checked(await schema.find(context), this.plan)
      // Another reading may have found it meanwhile.
      this.knownSchema ??= found
    }
    return this.requireSchema()
  }

  open(options: OpenOptions = {}): AsyncGenerator<Batch<S>, void, undefined> {
    throwIfAborted(options.signal)
    if (this.mode === 'once') {
      if (this.opened) {
        throw failure({
          tag: 'Usage',
          code: 'OPENED_TWICE',
          problem: `this stream (${this.plan.operator}) can be read only once, and it was read before`,
          remedy: 'Pipe it through cache() first to read it again.',
        })
      }
      this.opened = true
    }
    // Operators hand on the tally that they were given, so it tells what is read from here on from what is read as a part of that.
    const begun = options.tally instanceof Reading ? undefined : new Reading(options.tally)
    const context: OpenContext = { ...options, tally: begun ?? options.tally! }
    const batches = guarded(this.definition.schema instanceof LaterSchema ? this.learning(context, this.definition.schema) : this.batches(context), options.signal)
    return begun === undefined ? batches : ended(batches, begun)
  }

  private batches(context: OpenContext): AsyncGenerator<Batch<S>, void, undefined> {
    return this.definition.positions === 'native' ? this.definition.open(context) : this.replay(context)
  }

  /** Finds the schema first, where reading needs it; a source may have other columns by now than when they were found. */
  private async *learning(context: OpenContext, schema: LaterSchema<S>): AsyncGenerator<Batch<S>, void, undefined> {
    if (schema.isNeeded) await this.findSchema(context)
    for await (const batch of this.batches(context)) {
      if (!schema.isNeeded && this.knownSchema !== undefined) requireAsFound(this.knownSchema, batch, context.columns)
      yield batch
    }
  }

  private async *replay(context: OpenContext): AsyncGenerator<Batch<S>, void, undefined> {
    const { from, ...rest } = context
    const count = new RowCount(from)
    if (from !== undefined && !this.stableOrder) {
      throw failure({
        tag: 'Usage',
        code: 'UNSTABLE_ORDER',
        problem: `${this.plan.operator} gives its rows in no stable order, so it cannot resume from a position`,
        remedy: `${SAME_EACH_TIME} before you take positions of it.`,
      })
    }
    for await (const batch of this.definition.open(rest)) {
      const after = count.rest(batch)
      if (after !== undefined) yield after
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Batch<S>, void, undefined> {
    return this.open()
  }

  explain(): string {
    return explainPlan(this.plan)
  }

  /** `console.log` shows what the stream does and the columns it has; no row is read. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const columns = this.knownSchema === undefined ? '?' : Object.entries(this.knownSchema).map(([name, field]) => `${name}: ${describeField(field)}`).join(', ')
    return `Stream(${columns})\n${this.explain()}`
  }

  pipe(...steps: readonly ((value: unknown) => unknown)[]): unknown {
    return steps.reduce((value: unknown, step) => step(value), this)
  }
}

/** @throws `Schema` for what is no field, and for a column named `__proto__`, which rows, being plain objects, cannot hold */
const checked = <S extends Schema>(schema: S, { operator }: PlanNode): S => {
  requireFields(schema, operator)
  requireNames(schema)
  return schema
}

const requireAsFound = (known: Schema, batch: Batch, wanted: readonly string[] | undefined): void => {
  for (const name of new Set([...Object.keys(wantedSchema(known, wanted)), ...Object.keys(batch.schema)])) {
    const before = Object.hasOwn(known, name) ? known[name] : undefined
    const now = Object.hasOwn(batch.schema, name) ? batch.schema[name] : undefined
    if (before !== undefined && now !== undefined && sameField(before, now)) continue
    throw failure({
      tag: 'Schema', code: 'COLUMNS_CHANGED', position: { column: name },
      problem: `the column is ${now === undefined ? 'not there any more' : describeField(now)}, and ${before === undefined ? 'was not there' : `was ${describeField(before)}`} when the columns of this stream were found`,
      remedy: 'Make the stream anew.',
    })
  }
}

/** Ends a generator with `Aborted` as soon as the signal fires between batches, and lets it fire. */
async function* guarded<S extends Schema>(batches: AsyncGenerator<Batch<S>, void, undefined>, signal: AbortSignal | undefined): AsyncGenerator<Batch<S>, void, undefined> {
  for await (const batch of batches) {
    const turn = giveTurn()
    if (turn !== undefined) await turn
    throwIfAborted(signal)
    yield batch
  }
  throwIfAborted(signal)
}

/** Ends the reading when its last batch is taken, or when it is left. */
async function* ended<T>(batches: AsyncGenerator<T, void, undefined>, reading: Reading): AsyncGenerator<T, void, undefined> {
  let how: ReadingEnd = 'left'
  try {
    yield* batches
    how = 'reached'
  } catch (error) {
    how = 'failed'
    throw error
  } finally {
    await reading.end(how)
  }
}

/**
 * Makes a stream of its definition. This is how sources and operators are written.
 *
 * @throws `Schema` for what is no field, and for a column named `__proto__`, which rows, being plain objects, cannot hold
 */
export const makeStream = <S extends Schema, M extends Mode>(definition: StreamDefinition<S, M>): Stream<S, M> => new DefinedStream(definition) as unknown as Stream<S, M>

/** Refuses a stream whose order is not stable. */
export const requireStableOrder = (stream: Stream, use: string): void => {
  if (stream.stableOrder) return
  throw failure({
    tag: 'Usage',
    code: 'UNSTABLE_ORDER',
    problem: `${use} needs a stream whose order is the same each time it is read, and this one's is not`,
    remedy: `${SAME_EACH_TIME} first.`,
  })
}
