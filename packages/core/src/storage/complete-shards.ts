import { failure } from '../errors/index.js'
import type { FileInfo } from './storage.js'

interface ShardSet {
  readonly prefix: string
  readonly digits: number
  readonly count: number
  readonly suffix: string
  readonly found: Set<number>
}

/** `name-SSSSS-of-NNNNN`, which Beam and TensorFlow write, with an ending or without. */
const shardForm = /^(.*)-(\d{5,})-of-(\d{5,})(\.[^/\\]*)?$/

/** A name may claim any number of shards; no more of them are looked for than anybody writes. */
const MOST_SHARDS = 100_000

const nameOf = ({ prefix, digits, count, suffix }: ShardSet, index: number): string =>
  `${prefix}-${String(index).padStart(digits, '0')}-of-${String(count).padStart(digits, '0')}${suffix}`

/**
 * Checks that files whose names say how many there are (`train-00000-of-00004`) are all there.
 *
 * @param isDue - whether a name is among those that were asked for
 * @throws `NotFound` MISSING_SHARD that names the first one that is not
 */
export const requireAllShards = (files: readonly FileInfo[], isDue: (url: string) => boolean): void => {
  const sets = new Map<string, ShardSet>()
  for (const { url } of files) {
    const match = shardForm.exec(url)
    if (match === null) continue
    const [, prefix, index, count, suffix = ''] = match
    const key = `${prefix!}\0${count!}\0${suffix}`
    let set = sets.get(key)
    if (set === undefined) sets.set(key, (set = { prefix: prefix!, digits: count!.length, count: Number(count), suffix, found: new Set() }))
    set.found.add(Number(index))
  }
  for (const set of sets.values()) {
    if (set.found.size >= set.count) continue
    const last = Math.min(set.count, MOST_SHARDS)
    for (let index = 0; index < last; index++) {
      if (!set.found.has(index) && isDue(nameOf(set, index))) throw missingShard(nameOf(set, index), set)
    }
  }
}

const missingShard = (source: string, { found, count }: ShardSet): Error =>
  failure({
    tag: 'NotFound', code: 'MISSING_SHARD', problem: `a shard is missing: there are ${found.size} of the ${count} that their names speak of`,
    remedy: 'Write or copy the set again; to read what is there all the same, name the files one by one.', position: { source },
  })
