import { failure } from '@millrace/core'
import { FRAME_FOOTER, FRAME_HEADER, headerHolds, readWord } from '../tfrecord/frame.js'
import { cutRecord, damagedLength } from '../tfrecord/tfrecord-decoder.js'

/**
 * Finds where the records of a TFRecord file begin, in chunks whose boundaries may fall anywhere. The checksum of each length is
 * checked; payloads are passed over.
 */
export class FrameScanner {
  /** Where frame `r` begins; the last one is where the file ends so far. */
  private starts = new Float64Array(1024)
  private count = 0
  /** Bytes seen. */
  private seen = 0
  private readonly header = new Uint8Array(FRAME_HEADER)

  constructor(
    private readonly source: string,
    private readonly maxRecordBytes: number,
  ) {}

  /** @throws `Corrupt` TFRECORD_LENGTH_CRC, `Limit` TFRECORD_TOO_LONG */
  push(chunk: Uint8Array): void {
    const { header, seen } = this
    const end = seen + chunk.length
    for (let start = this.starts[this.count]!; start < end; start = this.starts[this.count]!) {
      const headerEnd = Math.min(end, start + FRAME_HEADER)
      const from = Math.max(start, seen)
      header.set(chunk.subarray(from - seen, Math.max(from, headerEnd) - seen), from - start)
      if (headerEnd < start + FRAME_HEADER) break
      this.add(start)
    }
    this.seen = end
  }

  /** Where the frames begin, and last where they end. @throws `Corrupt` TFRECORD_TRUNCATED */
  finish(): Float64Array {
    const { seen, count } = this
    const start = this.starts[count]!
    if (start === seen) return this.starts.slice(0, count + 1)
    throw count > 0 && start > seen ? cutRecord(seen, { source: this.source, byte: this.starts[count - 1]!, record: count - 1 }) : cutRecord(seen, { source: this.source, byte: start, record: count })
  }

  private add(start: number): void {
    const { header, source, count } = this
    const position = { source, byte: start, record: count }
    if (!headerHolds(header, 0)) throw damagedLength(position)
    const length = readWord(header, 0) + readWord(header, 4) * 0x100000000
    if (length > this.maxRecordBytes) {
      throw failure({ tag: 'Limit', code: 'TFRECORD_TOO_LONG', problem: `a record is ${length} bytes long, and the limit is ${this.maxRecordBytes}`, remedy: 'Raise maxRecordBytes if the file is sound.', position })
    }
    if (count + 2 > this.starts.length) {
      const grown = new Float64Array(this.starts.length * 2)
      grown.set(this.starts)
      this.starts = grown
    }
    this.count++
    this.starts[this.count] = start + length + FRAME_HEADER + FRAME_FOOTER
  }
}
