import type { Output } from '@millrace/core'
import { ByteBuffer } from '../example/index.js'
import { packedWriter, type Compression, type PackedWriter } from '../compression/index.js'
import { FRAME_FOOTER, FRAME_HEADER, sealFrame } from './frame.js'
import type { RowEncoder } from './shard-rows.js'

/** A shard's records are handed to the storage in pieces of this size: large enough that the calls cost nothing. */
const FLUSH_BYTES = 1024 * 1024
/** Frames of so many bytes are handed over as they are, if nothing waits before them. */
const DIRECT_BYTES = 512 * 1024

/** Gathers the frames of one shard and hands them to its output. */
export class ShardWriter {
  private readonly buffer = new ByteBuffer()
  readonly packed: PackedWriter
  rows = 0

  constructor(output: Output, compression: Compression) {
    this.packed = packedWriter(output, compression)
  }

  /** Appends a row. Returns true when the buffer should be flushed. */
  append(encoder: RowEncoder, row: number): boolean {
    const { buffer } = this
    const start = buffer.length
    buffer.reserve(FRAME_HEADER)
    buffer.length += FRAME_HEADER
    encoder.encode(row, buffer)
    buffer.reserve(FRAME_FOOTER)
    buffer.length += FRAME_FOOTER
    sealFrame(buffer.bytes, start, buffer.length)
    return buffer.length >= FLUSH_BYTES
  }

  /** Appends frames, whose memory may be used again after the promise resolves. */
  async appendFrames(frames: Uint8Array): Promise<void> {
    const { buffer } = this
    if (buffer.length === 0 && frames.length >= DIRECT_BYTES) return this.packed.write(frames)
    buffer.append(frames)
    if (buffer.length >= FLUSH_BYTES) await this.flush()
  }

  async flush(): Promise<void> {
    if (this.buffer.length === 0) return
    await this.packed.write(this.buffer.written())
    this.buffer.clear()
  }
}
