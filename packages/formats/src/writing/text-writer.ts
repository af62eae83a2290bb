import { fromUnknown, type Batch } from '@millrace/core'
import type { PackedWriter } from '../compression/index.js'
import type { FileWriter } from './file-writer.js'

/** Text is handed to the storage in pieces of about this many characters. */
const PIECE = 1 << 20

/** Makes the text of one row at a time out of a batch. */
export type BatchText = (batch: Batch) => (row: number) => string

/** The text of a file: what stands before its rows, the rows, and what stands between and after them. */
export interface FileText {
  readonly head: string
  readonly batchText: BatchText
  /** Default: nothing. */
  readonly between?: string | undefined
  /** Default: nothing. */
  readonly tail?: string | undefined
}

/** Writes rows as UTF-8 text. */
export class TextWriter implements FileWriter {
  readonly held = 0
  readonly heldBytes = 0
  private text: string
  /** What stands before the next row. */
  private before = ''

  constructor(
    private readonly packed: PackedWriter,
    private readonly file: FileText,
  ) {
    this.text = file.head
  }

  get bytes(): number {
    return this.packed.bytes
  }

  async write(batch: Batch, firstRow?: number): Promise<void> {
    const rowText = this.file.batchText(batch)
    for (let row = 0; row < batch.numRows; row++) {
      try {
        this.text += this.before + rowText(row)
      } catch (error) {
        throw fromUnknown(error, firstRow === undefined ? {} : { record: firstRow + row })
      }
      this.before = this.file.between ?? ''
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
    this.text += this.file.tail ?? ''
    await this.flush()
    await this.packed.end()
  }

  destroy(): void {
    this.packed.destroy()
  }
}
