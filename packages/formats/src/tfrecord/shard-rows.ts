import { throwIfAborted, type Batch } from '@millrace/core'
import type { ByteBuffer } from '../example/index.js'
import type { FeatureWriter } from '../example/feature-writer.js'
import { EncoderKernel } from '../example/kernel/encoder-kernel.js'
import { crcTable } from './crc32c.js'
import type { ShardWriter } from './shard-writer.js'

/** Rows of a batch from which on it is worth loading into the kernel. */
const WORTHWHILE_ROWS = 16
/** Rows that are written without the kernel before it is asked again. */
const ROWS_WITHOUT = 256

/** Encodes rows of batches as messages. */
export interface RowEncoder {
  /** The columns that it writes. */
  readonly columns: readonly string[]
  /** Those of a tf.train.Example, which the kernel can write. */
  readonly writers?: readonly FeatureWriter[]
  /** Takes up a batch, whose rows `encode` then writes. */
  bind(batch: Batch): void
  /** Appends row `row` of the bound batch to `out`. */
  encode(row: number, out: ByteBuffer): void
}

/** The kernel of an encoder, made when it is first worth while; one may serve all files of an output, a batch of one file at a time. */
export class RowKernel {
  private kernel: EncoderKernel | undefined
  private isAsked = false

  constructor(private readonly encoder: RowEncoder) {}

  /** `undefined` where there is no WebAssembly, and for rows that it cannot write. */
  ask(): EncoderKernel | undefined {
    const { writers } = this.encoder
    if (!this.isAsked && writers !== undefined) this.kernel = EncoderKernel.of(writers, crcTable)
    this.isAsked = true
    return this.kernel
  }

  /** The kernel, if it was asked for. */
  get made(): EncoderKernel | undefined {
    return this.kernel
  }
}

/**
 * Writes rows to shards in turn, row `r` to shard `r mod shards`: by the WebAssembly kernel, framing and checksums included, and
 * where that is not worth while, or not there, one by one.
 */
export class ShardRows {
  /** Rows written. */
  count = 0

  constructor(
    private readonly encoder: RowEncoder,
    private readonly shards: readonly ShardWriter[],
    private readonly shared: Pick<RowKernel, 'ask' | 'made'> = new RowKernel(encoder),
  ) {}

  /** Writes all rows of a batch. @throws what the outputs throw, and `Aborted` */
  async write(batch: Batch, signal?: AbortSignal): Promise<void> {
    const { numRows } = batch
    this.encoder.bind(batch)
    const kernel = numRows >= WORTHWHILE_ROWS ? this.shared.ask() : undefined
    for (let row = 0; row < numRows; ) {
      throwIfAborted(signal)
      const loaded = kernel?.load(row, numRows) ?? row
      const end = loaded > row ? loaded : Math.min(numRows, row + ROWS_WITHOUT)
      if (kernel !== undefined && loaded > row) await this.writeLoaded(kernel, row, end)
      else await this.writeOneByOne(row, end, signal)
      row = end
    }
  }

  /** Hands what the kernel holds to the shard, so that others may use it. */
  async takeHeld(): Promise<void> {
    const { made } = this.shared
    if (made !== undefined) await this.take(made, this.shards[0]!)
  }

  /** Hands over what is held. */
  async finish(): Promise<void> {
    await this.takeHeld()
    for (const shard of this.shards) await shard.flush()
  }

  private async writeOneByOne(start: number, end: number, signal: AbortSignal | undefined): Promise<void> {
    await this.takeHeld()
    const { shards, encoder } = this
    for (let row = start; row < end; row++) {
      const shard = shards[this.count++ % shards.length]!
      shard.rows++
      if (!shard.append(encoder, row)) continue
      throwIfAborted(signal)
      await shard.flush()
    }
  }

  /** Writes rows `start` to `end`, which the kernel has loaded. */
  private async writeLoaded(kernel: EncoderKernel, start: number, end: number): Promise<void> {
    const { shards, encoder } = this
    const step = shards.length
    const rows = end - start
    for (let first = 0; first < Math.min(rows, step); first++) {
      const shard = shards[(this.count + first) % step]!
      for (let row = first; ; ) {
        row = kernel.encode(row, rows, step)
        if (row >= rows) break
        const isLong = kernel.length === 0
        await this.take(kernel, shard)
        if (!isLong) continue
        // A row that has no room in all of the kernel's memory.
        if (shard.append(encoder, start + row)) await shard.flush()
        row += step
      }
      shard.rows += Math.ceil((rows - first) / step)
      // Of a single shard they are held until there are many.
      if (step > 1) await this.take(kernel, shard)
    }
    this.count += rows
  }

  private async take(kernel: EncoderKernel, shard: ShardWriter): Promise<void> {
    if (kernel.length === 0) return
    await shard.appendFrames(kernel.written())
    kernel.clear()
  }
}
