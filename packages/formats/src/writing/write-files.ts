import { job, Tally, throwIfAborted, withOutputSet, type Batch, type IfExists, type Job, type Mode, type Output, type RunContext, type Schema, type Stream } from '@millrace/core'
import type { WriteReport } from '../tfrecord/write-tfrecords.js'
import type { FileFormat } from './file-writer.js'
import { requireFolderOptions, requireOneFile, type FolderOptions } from './folder-options.js'
import { writeFolder } from './write-folder.js'

/**
 * Writes a stream as one file, which appears when it is complete, or, with `partitionBy`, as a folder of files.
 *
 * @param format - prepared when the job runs
 */
export const writeFiles = <S extends Schema, M extends Mode>(
  use: string,
  url: string,
  options: FolderOptions,
  format: (url: string) => FileFormat | Promise<FileFormat>,
  stream: Stream<S, M>,
): Job<WriteReport> =>
  job(async (context) => {
    requireFolderOptions(options, use)
    requireOneFile(options, use)
    const tally = new Tally(context.tally)
    // Opened when its output is: one that can be read once is not lost to an output that exists.
    const batches = { [Symbol.asyncIterator]: () => stream.open({ ...context, tally }) as AsyncGenerator<Batch, void, undefined> }
    if (options.partitionBy !== undefined) return { ...(await writeFolder(url, await format(''), options, await stream.findSchema(context), batches, context)), tally: tally.summary() }
    const prepared = await format(url)
    const { rows, bytes } = await withOutputSet([url], { ifExists: options.ifExists as IfExists | undefined, signal: context.signal }, async ([output]) =>
      writeOne(url, output!, prepared, await stream.findSchema(context), batches, context))
    return { files: [url], rows, bytes, tally: tally.summary() }
  })

const writeOne = async (url: string, output: Output, { open, groupRows }: FileFormat, schema: Schema, batches: AsyncIterable<Batch>, { signal, progress }: RunContext): Promise<{ readonly rows: number; readonly bytes: number }> => {
  const stage = `writing ${url}`
  const writer = await open(output, schema)
  let rows = 0
  try {
    for await (const batch of batches) {
      throwIfAborted(signal)
      for (let at = 0; at < batch.numRows; at += groupRows) {
        await writer.write(at === 0 && batch.numRows <= groupRows ? batch : batch.slice(at, at + groupRows), rows + at)
        throwIfAborted(signal)
      }
      rows += batch.numRows
      progress?.({ stage, done: rows, unit: 'rows' })
    }
    await writer.end()
    progress?.({ stage, done: rows, unit: 'rows', finished: true })
    return { rows, bytes: writer.bytes }
  } finally {
    writer.destroy()
  }
}
