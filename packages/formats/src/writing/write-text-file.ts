import { fromUnknown, job, Tally, throwIfAborted, withOutputSet, type Batch, type IfExists, type Job, type Mode, type Schema, type Stream } from '@millrace/core'
import { packedWriter, requireCompression, type Compression } from '../compression/index.js'
import type { WriteReport } from '../tfrecord/write-tfrecords.js'

/** Text is handed to the storage in pieces of about this many characters. */
const PIECE = 1 << 20

/** Options that the writers of text files share. */
export interface TextOutputOptions {
  /** What to do when the file exists. Default `fail`. */
  readonly ifExists?: IfExists | undefined
  /** How the file is packed. Default: `gzip` for a name that ends in `.gz`, else `none`. */
  readonly compression?: Compression | undefined
}

/** Makes the text of one row at a time out of a batch. */
export type BatchText = (batch: Batch) => (row: number) => string

/** Writes a stream as one text file, UTF-8, which appears when it is complete. */
export const writeTextFile = <S extends Schema, M extends Mode>(url: string, options: TextOutputOptions, head: string, batchText: BatchText, stream: Stream<S, M>): Job<WriteReport> =>
  job(async (context) => {
    const { signal, progress } = context
    const compression = requireCompression(options.compression ?? (/\.gz$/i.test(url) ? 'gzip' : 'none'))
    const tally = new Tally(context.tally)
    const { rows, bytes } = await withOutputSet([url], { ifExists: options.ifExists, signal }, async ([output]) => {
      const packed = packedWriter(output!, compression)
      try {
        let text = head
        let rows = 0
        for await (const batch of stream.open({ ...context, tally })) {
          const rowText = batchText(batch as unknown as Batch)
          for (let row = 0; row < batch.numRows; row++, rows++) {
            try {
              text += rowText(row)
            } catch (error) {
              throw fromUnknown(error, { record: rows })
            }
            if (text.length < PIECE) continue
            throwIfAborted(signal)
            await packed.write(Buffer.from(text))
            text = ''
          }
          throwIfAborted(signal)
          progress?.({ stage: `writing ${url}`, done: rows, unit: 'rows' })
        }
        if (text !== '') await packed.write(Buffer.from(text))
        await packed.end()
        progress?.({ stage: `writing ${url}`, done: rows, unit: 'rows', finished: true })
        return { rows, bytes: packed.bytes }
      } finally {
        packed.destroy()
      }
    })
    return { files: [url], rows, bytes, tally: tally.summary() }
  })
