import { job, type Job } from '../../job/index.js'
import type { Stream } from '../stream.js'

/** The number of rows. Sources that can leave columns unread read the first one only. */
export const countRows = () => (stream: Stream): Job<number> =>
  job(async (context) => {
    let rows = 0
    for await (const batch of stream.open({ ...context, columns: Object.keys(stream.knownSchema ?? {}).slice(0, 1) })) rows += batch.numRows
    return rows
  })
