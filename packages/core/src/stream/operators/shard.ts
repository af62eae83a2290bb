import { failure } from '../../errors/index.js'
import type { Schema } from '../../schema/index.js'
import type { Mode, Stream } from '../stream.js'
import { requireCount } from './counts.js'
import { filterOrdinals } from './filter-ordinals.js'

/**
 * Every `count`-th row, beginning with row `index`: the share of one of `count` workers. The shares are disjoint and
 * together are the whole stream. Every worker reads the whole source; where it has files, give each worker its own.
 *
 * @throws `Usage` when the stream's order is not stable
 */
export const shard = (index: number, count: number) => <S extends Schema, M extends Mode>(stream: Stream<S, M>): Stream<S, M> => {
  requireCount(count, 1, 'the count of shard')
  requireCount(index, 0, 'the index of shard')
  if (index >= count) throw failure({ tag: 'Usage', code: 'BAD_COUNT', problem: `shard ${index} of ${count} does not exist`, remedy: `The shards are 0 to ${count - 1}.` })
  return filterOrdinals(stream, 'shard', { index, count }, (ordinal) => ordinal % count === index)
}
