import { concatBatches, type Batch, type Row, type Schema } from '@millrace/core'
import { ExampleDecoder } from '../example/index.js'
import { ExampleKernel, FULL, ODD } from '../example/kernel/example-kernel.js'
import { crcTable } from './crc32c.js'
import type { RecordSink } from './record-stream.js'
import { MAX_RECORD_BYTES, type TfRecordDecoder } from './tfrecord-decoder.js'

/** Calls of the kernel after which it is asked whether they were worth it, and the rows a call that make them so. */
const TRIAL_CALLS = 16
const WORTHWHILE_ROWS = 8
/** Most batches that go without the kernel before it is tried again. */
const MAX_PAUSE = 64

/** Options of {@link exampleSink}. */
export interface ExampleSinkOptions<S extends Schema> {
  readonly defaults: Partial<Row<S>> | undefined
  readonly batchRows: number
  readonly maxRecordBytes: number | undefined
}

/**
 * Decodes tf.train.Examples, runs of plain ones in the WebAssembly kernel, framing and checksums included, and all others one by
 * one in the TypeScript decoder. Where files hold few plain records it soon leaves the kernel alone.
 */
class KernelSink<S extends Schema> implements RecordSink<S> {
  /** Full kernels of the batch. */
  private readonly parts: Batch<S>[] = []
  /** How many rows came from the kernel, then from the decoder, then from the kernel again, and so on. */
  private runs: number[] = [0]
  private rows = 0
  // What of which chunk the kernel has: `chunk[from..to]`.
  private push = -1
  private from = 0
  private to = 0
  private calls = 0
  private kernelRows = 0
  private pause = 0
  private nextPause = 1

  constructor(
    private readonly schema: S,
    private readonly decoder: ExampleDecoder<S>,
    private readonly kernel: ExampleKernel,
  ) {}

  get length(): number {
    return this.rows
  }

  decode(bytes: Uint8Array, start: number, end: number): void {
    this.decoder.decode(bytes, start, end)
    this.count(1, 1)
  }

  /** @returns bytes of the payloads that were taken */
  decodeFrames(records: TfRecordDecoder, rows: number, budget: number): number {
    const { kernel } = this
    if (this.pause > 0) return 0
    const { chunk } = records
    let taken = 0
    if (records.isCarrying) {
      const size = rows > 0 ? this.decodeCarried(records) : undefined
      if (size === undefined) return 0
      taken = size
      rows--
    }
    while (taken < budget && rows > 0) {
      const start = records.chunkOffset
      if (chunk.length - start < 16 || records.nextSize > kernel.longest) break
      if (this.push !== records.pushes || start < this.from || start >= this.to) this.load(records, start)
      const before = kernel.rows
      const stopped = this.from + kernel.decode(start - this.from, this.to - this.from, rows, budget - taken)
      const decoded = kernel.rows - before
      records.pass(stopped - start, decoded)
      taken += stopped - start - 16 * decoded
      rows -= decoded
      this.count(decoded, 0)
      this.calls++
      this.kernelRows += decoded
      if (kernel.reason === ODD) break
      if (kernel.reason === FULL || kernel.isFull) {
        if (kernel.rows > 0) this.parts.push(kernel.take(this.schema))
        if (kernel.reason === FULL) {
          if (!kernel.grow()) break
          this.push = -1
        }
      } else if (this.to === chunk.length || stopped === this.from) break
      // The window ends within a frame: the next one begins there.
      else this.push = -1
    }
    if (this.calls >= TRIAL_CALLS && this.kernelRows < this.calls * WORTHWHILE_ROWS) {
      this.pause = this.nextPause
      this.nextPause = Math.min(MAX_PAUSE, this.nextPause * 2)
    }
    return taken
  }

  finish(): Batch<S> {
    const { parts, decoder, kernel, runs } = this
    if (this.pause > 0) this.pause--
    else if (this.calls >= TRIAL_CALLS) this.nextPause = 1
    this.calls = this.kernelRows = this.rows = 0
    this.runs = [0]
    if (kernel.rows > 0) parts.push(kernel.take(this.schema))
    if (decoder.length === 0 && parts.length > 0) return concatBatches(this.schema, parts.splice(0))
    if (parts.length === 0) return decoder.finish()
    const own = parts.reduce((sum, part) => sum + part.numRows, 0)
    return concatBatches(this.schema, [...parts.splice(0), decoder.finish()]).take(interleaved(runs, own))
  }

  release(): void {
    this.kernel.release()
  }

  /** Decodes the frame whose bytes are spread over chunks, if it can; returns the length of its payload. */
  private decodeCarried(records: TfRecordDecoder): number | undefined {
    const { kernel } = this
    const frame = records.carriedFrame(kernel.longest)
    if (frame === undefined) return undefined
    this.push = -1
    kernel.load(frame, 0)
    const before = kernel.rows
    const size = kernel.decode(0, frame.length, 1, frame.length)
    if (kernel.rows === before) return undefined
    records.passCarried()
    this.count(1, 0)
    if (kernel.isFull) this.parts.push(kernel.take(this.schema))
    return size - 16
  }

  private load(records: TfRecordDecoder, start: number): void {
    this.push = records.pushes
    this.from = start
    this.to = this.kernel.load(records.chunk, start)
  }

  /** Counts rows: `source` 0 is the kernel, 1 the decoder. */
  private count(rows: number, source: number): void {
    this.rows += rows
    if (rows === 0) return
    const { runs } = this
    if ((runs.length - 1) % 2 !== source) runs.push(0)
    runs[runs.length - 1]! += rows
  }
}

/** The order of rows of which the kernel's come first, then, from `second` on, the decoder's. */
const interleaved = (runs: readonly number[], second: number): Int32Array => {
  const next = [0, second]
  const order = new Int32Array(runs.reduce((sum, run) => sum + run, 0))
  let at = 0
  for (const [i, run] of runs.entries()) for (let n = 0; n < run; n++) order[at++] = next[i % 2]!++
  return order
}

/** Decodes tf.train.Examples into batches, as fast as their schema allows. */
export const exampleSink = <S extends Schema>(schema: S, options: ExampleSinkOptions<S>): RecordSink<S> => {
  const { defaults, batchRows, maxRecordBytes = MAX_RECORD_BYTES } = options
  const decoder = new ExampleDecoder(schema, { defaults })
  const kernel = ExampleKernel.of(decoder.slots, new Set(Object.keys(defaults ?? {})), batchRows, maxRecordBytes, crcTable)
  return kernel === undefined ? decoder : new KernelSink(schema, decoder, kernel)
}
