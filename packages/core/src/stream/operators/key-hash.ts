import { BoolColumn, BytesColumn, DictionaryColumn, FixedColumn, type Column } from '../../columns/index.js'
import { failure } from '../../errors/index.js'
import { describeField, type Field } from '../../schema/index.js'
import { murmur3 } from '../../random/murmur3.js'

/** Hash of all nulls, so that they go together; an arbitrary number. */
const NULL_HASH = 0x9e3779b9
const encoder = new TextEncoder()

/** Checks that a column can serve as a key. @throws `Schema` */
export const requireHashable = (field: Field, name: string): void => {
  const kind = field.kind === 'dictionary' ? field.params.item!.kind : field.kind
  if (kind !== 'list') return
  throw failure({ tag: 'Schema', code: 'NO_KEY', problem: `a column of ${describeField(field)} cannot be a key`, remedy: 'Choose a column of single values.', position: { column: name } })
}

/**
 * A 32-bit hash of each row's value (MurmurHash3 of its bytes). Equal values hash alike whatever the batch, the encoding
 * (dictionary or not) and the width of integers: a number hashes as its decimal text does, a date as its days, a timestamp
 * as its stored integer.
 */
export const keyHashes = (column: Column, seed: number): Uint32Array => {
  const hashes = new Uint32Array(column.length)
  const hash = rowHash(column, seed)
  for (let row = 0; row < hashes.length; row++) hashes[row] = column.isValid(row) ? hash(row) : NULL_HASH
  return hashes
}

const rowHash = (column: Column, seed: number): ((row: number) => number) => {
  if (column instanceof BytesColumn) return (row) => murmur3(column.bytes, column.offsets[row]!, column.offsets[row + 1]!, seed)
  if (column instanceof DictionaryColumn) {
    const ofValues = keyHashes(column.dictionary, seed)
    return (row) => ofValues[column.indices[row]!]!
  }
  const text = (value: unknown): number => {
    const bytes = encoder.encode(String(value))
    return murmur3(bytes, 0, bytes.length, seed)
  }
  if (column instanceof FixedColumn) return (row) => text(column.values[row])
  if (column instanceof BoolColumn) return (row) => text(column.get(row) === true ? 1 : 0)
  return (row) => text(column.get(row))
}
