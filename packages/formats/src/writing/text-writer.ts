import { fromUnknown, type Batch } from '@millrace/core'
import type { PackedWriter } from '../compression/index.js'
import type { FileWriter } from './file-writer.js'

/** Text is handed to the storage in pieces of about this many characters. */
const PIECE = 1 << 20

/** Makes the text of one row at a time out of a batch. */
export type BatchText = (batch: Batch) => (row: number) => string

/** Writes rows as UTF-8 text. */
export class TextWriter implements FileWriter {
  readonly held = 0

  constructor(
    private readonly packed: PackedWriter,
    private text: string,
    private readonly batchText: BatchText,
  ) {}

  get bytes(): number {
    return this.packed.bytes
  }

  async write(batch: Batch, firstRow?: number): Promise<void> {
    const rowText = this.batchText(batch)
    for (let row = 0; row < batch.numRows; row++) {
      try {
        this.text += rowText(row)
      } catch (error) {
        throw fromUnknown(error, firstRow === undefined ? {} : { record: firstRow + row })
      }
      if (this.text.length >= PIECE) await this.flush()
    }
  }

  async flush(): Promise<void> {
    const { text } = this
    if (text === '') return
    this.text = ''
    await this.packed.write(Buffer.from(text))
  }

  async end(): Promise<void> {
    await this.flush()
    await this.packed.end()
  }

  destroy(): void {
    this.packed.destroy()
  }
}
