import { atPosition, fieldIn, isBuiltInStorage, type Batch, type Json, type Schema } from '@millrace/core'
import type { FileReader, FileSpans, FileTask } from '../reading/read-files.js'
import type { ReadRequest, SpanBounds } from './messages.js'
import { RemoteRead } from './remote-read.js'
import { shiftedError, shiftedPlace } from './shift.js'
import type { Slots } from './slots.js'
import { BatchReceiver } from './wire-batch.js'
import type { ResolvedWorkerOptions } from './worker-options.js'

/** Bytes that a task may have on their way at least, however little is to be read ahead. */
const LEAST_ALLOWANCE = 64 * 1024

const WHOLE: FileSpans = { bounds: [], areGuesses: false }

/** A file that worker threads read: as a whole, or in parts one after another, several of them at a time. */
export class RemoteFile {
  private readonly spans: Promise<FileSpans>
  private reads: (RemoteRead | undefined)[] = []
  private parts: readonly (SpanBounds | undefined)[] = [undefined]
  private current = 0
  /** Where the first part begins, if not with the file. */
  private from: Json | undefined
  private isClosed = false

  constructor(
    private readonly reader: FileReader<Schema>,
    private readonly task: FileTask,
    private readonly slots: Slots,
    private readonly options: ResolvedWorkerOptions,
  ) {
    this.from = task.resume
    this.spans = this.start()
  }

  /** Parts that were not read to their end yet. */
  get left(): number {
    return this.parts.length - this.current
  }

  /** The batches of the file, each at its position. */
  async *batches(): AsyncGenerator<Batch, void, undefined> {
    try {
      const { areGuesses } = await this.spans
      // Where the part begins that is read: known of the first, told by each of the one after it.
      let place = this.from
      for (; this.current < this.parts.length; this.current++) {
        this.startAhead(place)
        const bounds = this.parts[this.current]
        place = areGuesses && bounds !== undefined ? yield* this.guessed(bounds, place) : yield* this.delivered(this.reads[this.current]!, undefined)
        await this.reads[this.current]!.close()
        this.reads[this.current] = undefined
      }
    } finally {
      await this.close()
    }
  }

  /** Ends what was begun. */
  async close(): Promise<void> {
    this.isClosed = true
    await this.spans
    await Promise.all(this.reads.flatMap((read) => (read === undefined ? [] : [read.close()])))
    this.reads = []
  }

  private async start(): Promise<FileSpans> {
    const { task, reader, options } = this
    let spans: FileSpans | undefined
    const { size, ranges } = task.file
    if (reader.spans !== undefined && size !== undefined && size > options.splitBytes && ranges !== false) {
      // What is wrong with the file, its reader will tell.
      spans = await reader.spans(task, options.splitBytes).catch(() => undefined)
    }
    spans ??= WHOLE
    if (spans.bounds.length > 1) {
      this.parts = spans.bounds
      this.from ??= spans.from
    }
    if (!this.isClosed) this.startAhead(this.from)
    return spans
  }

  /** Begins the parts that come next. What they give is kept until it is their turn. */
  private startAhead(place: Json | undefined): void {
    const end = Math.min(this.parts.length, this.current + this.options.count + 1)
    for (let part = this.current; part < end; part++) this.reads[part] ??= this.read(part, this.parts[part], part === this.current ? place : undefined)
  }

  private read(part: number, span: SpanBounds | undefined, resume: Json | undefined): RemoteRead {
    const { task, options, reader } = this
    const { onBadRecord } = reader
    const request: ReadRequest = {
      format: reader.format,
      options: reader.remote!,
      policy: typeof onBadRecord === 'object' ? 'quarantine' : (onBadRecord ?? 'fail'),
      file: task.file, schema: task.schema, columns: task.columns, partitioned: task.partitioned, resume, span, wanted: task.context.columns,
      isBridged: !isBuiltInStorage(task.file.url),
      allowance: Math.max(LEAST_ALLOWANCE, Math.floor(options.readAheadBytes / (2 * options.count))),
    }
    return new RemoteRead(request, { slots: this.slots, turn: [task.index, part], heapMiB: options.heapMiB, signal: task.context.signal })
  }

  /** A part that begins where the worker guesses, which is checked against where the part before it ended. */
  private async *guessed(bounds: SpanBounds, place: Json | undefined): AsyncGenerator<Batch, Json | undefined, undefined> {
    if (this.current === 0) return yield* this.delivered(this.reads[0]!, undefined)
    const at = place === undefined ? undefined : fieldIn(place, 'byte')
    // The last record of the part before reaches beyond this one.
    if (typeof at === 'number' && at >= bounds.end) return place
    const read = this.reads[this.current]!
    const event = await read.next()
    if (event.type === 'begin' && event.at === at) return yield* this.delivered(read, place)
    // Within a text that looks like its end: read it from where it does begin.
    await read.close()
    const again = this.read(this.current, bounds, place)
    this.reads[this.current] = again
    return yield* this.delivered(again, undefined)
  }

  /**
   * What a part gives, in order.
   *
   * @param base - the place that the worker took for the beginning
   * @returns the place after it
   */
  private async *delivered(read: RemoteRead, base: Json | undefined): AsyncGenerator<Batch, Json | undefined, undefined> {
    const receiver = new BatchReceiver()
    for (;;) {
      const event = await read.next()
      if (event.type === 'batch') {
        this.task.onRead(event.read)
        const batch = receiver.receive(event.batch)
        yield base === undefined ? batch : atPosition(batch, shiftedPlace(batch.position!, base))
      } else if (event.type === 'reject') {
        await this.task.reject(shiftedError(event.error, base), event.raw)
      } else if (event.type === 'skip') {
        await this.task.skip(event.code, event.count)
      } else if (event.type === 'end') {
        this.task.onRead(event.read)
        if (event.error !== undefined) throw shiftedError(event.error, base)
        return event.place === undefined || base === undefined ? event.place : shiftedPlace(event.place, base)
      }
    }
  }
}
