import { parentPort } from 'node:worker_threads'
import { readTfRecords } from '@millrace/formats'
import type { ApartCommand } from './peers/threads-apart.js'
import { schemas } from './suites/tfrecord-schemas.js'

/** A thread of {@link ThreadsApart}. */
parentPort!.on('message', ({ file, schema, copies, rows }: ApartCommand) => {
  const read = async (): Promise<void> => {
    let seen = 0
    for await (const batch of readTfRecords(Array<string>(copies).fill(file), { schema: schemas[schema]! })) seen += batch.numRows
    if (seen !== rows * copies) throw new Error(`read ${seen} rows of ${rows * copies}`)
    parentPort!.postMessage('done')
  }
  void read()
})
