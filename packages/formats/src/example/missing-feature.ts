import { failure, isMillraceError, nearestName, type MillraceError } from '@millrace/core'
import { WireReader } from './wire.js'

/** Names that an error lists: the first ones tell what the record is. */
const MOST_NAMES = 32
const LONGEST_NAME = 64

/** Where the entries of a record are: a tf.train.Features, or a tf.train.FeatureLists. */
export interface Entries {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/** The keys of the entries, in their order; those before one that is malformed. */
const keysOf = ({ bytes, start, end }: Entries): string[] => {
  const wire = new WireReader(bytes, end)
  const keys = new Set<string>()
  wire.at = start
  try {
    while (wire.at < end && keys.size <= MOST_NAMES) {
      const tag = wire.tag()
      if (tag !== 10) {
        wire.skip(tag)
        continue
      }
      wire.limit = wire.end()
      const next = wire.limit
      wire.findKey()
      const key = Buffer.from(wire.bytes.subarray(wire.keyStart, wire.keyEnd)).toString('utf8')
      keys.add(key.length > LONGEST_NAME ? `${key.slice(0, LONGEST_NAME)}…` : key)
      wire.at = next
      wire.limit = end
    }
  } catch (error) {
    if (!isMillraceError(error)) throw error
  }
  return [...keys]
}

/**
 * The error for a feature that a record lacks, or a feature list: says what the record has, and which of it was probably meant. To leave
 * out such records is no way out, since all of a file lack it as a rule.
 */
export const missingFeature = (column: string, what: 'feature' | 'feature list', entries: Entries): MillraceError => {
  const keys = keysOf(entries)
  const near = nearestName(keys, column)
  const shown = keys.slice(0, MOST_NAMES).map((key) => JSON.stringify(key)).join(', ')
  const list = keys.length === 0 ? `The record has no ${what}` : `The record's ${what}s are: ${shown}${keys.length > MOST_NAMES ? ', …' : ''}`
  const give = what === 'feature' ? 'give it a value in defaults' : 'give it a default ([] takes it for empty, as allow_missing does in TensorFlow)'
  return failure({
    tag: 'BadRecord', code: 'EXAMPLE_MISSING', problem: `the record lacks the ${what}, and its field is not nullable`, position: { column },
    remedy: `${near === undefined ? '' : `Did you mean ${JSON.stringify(near)}? `}${list}. Where records may lack it, make the field nullable, or ${give}.`,
  })
}
