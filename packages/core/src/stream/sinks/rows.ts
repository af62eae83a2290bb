import type { Row, Schema } from '../../schema/index.js'
import { rowReaderOf } from '../row-reader.js'
import type { OpenOptions, Stream } from '../stream.js'

/**
 * The rows of a stream as plain objects: `for await (const row of rows(flights)) …`. Leaving the loop closes the source.
 * An `await` a row costs more than most work on it: where speed matters, take batches.
 */
export async function* rows<S extends Schema>(stream: Stream<S>, options: OpenOptions = {}): AsyncGenerator<Row<S>, void, undefined> {
  const reader = rowReaderOf(stream)
  for await (const batch of stream.open(options)) {
    const rowAt = reader(batch)
    for (let row = 0; row < batch.numRows; row++) yield rowAt(row)
  }
}
