/** Keys outside the schema that are remembered, so that a file full of invented ones cannot fill the memory. */
const MAX_STRANGERS = 256
/** Places in a record whose feature is guessed; those of a longer record are looked up. */
const MAX_PLACES = 4096

/** What values of a key are gathered in. */
export interface Keyed {
  readonly key: Uint8Array
}

/** A key, and where its values go. */
export interface FeatureEntry<Slot extends Keyed> extends Keyed {
  /** Absent for a key that the schema does not name. */
  readonly slot: Slot | undefined
}

/** True when the key is `bytes[start..start + length]`. */
export const isKey = (key: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean => {
  if (key.length !== length) return false
  for (let i = 0; i < length; i++) if (key[i] !== bytes[start + i]) return false
  return true
}

/** Finds features by the bytes of their keys, and remembers which stood where in the record before. */
export class FeatureTable<Slot extends Keyed> {
  private readonly buckets: FeatureEntry<Slot>[][]
  private readonly mask: number
  private strangers = 0
  private readonly places: (FeatureEntry<Slot> | undefined)[] = []

  constructor(slots: readonly Slot[]) {
    let size = 16
    while (size < slots.length * 4) size *= 2
    this.mask = size - 1
    this.buckets = Array.from({ length: size }, () => [])
    for (const slot of slots) this.places.push(this.add({ key: slot.key, slot }))
  }

  /** The feature that stood in this place of the record before. */
  guess(place: number): FeatureEntry<Slot> | undefined {
    return this.places[place]
  }

  /** Looks a key up and remembers it for its place. `undefined` for one that the schema does not name. */
  find(place: number, bytes: Uint8Array, start: number, length: number): FeatureEntry<Slot> | undefined {
    let entry = this.lookUp(bytes, start, length)
    if (entry === undefined && this.strangers < MAX_STRANGERS) {
      this.strangers++
      entry = this.add({ key: bytes.slice(start, start + length), slot: undefined })
    }
    if (place < MAX_PLACES) this.places[place] = entry
    return entry
  }

  /** Looks a key up. */
  lookUp(bytes: Uint8Array, start: number, length: number): FeatureEntry<Slot> | undefined {
    const bucket = this.buckets[this.hash(bytes, start, length)]!
    for (let i = 0; i < bucket.length; i++) if (isKey(bucket[i]!.key, bytes, start, length)) return bucket[i]
    return undefined
  }

  private add(entry: FeatureEntry<Slot>): FeatureEntry<Slot> {
    this.buckets[this.hash(entry.key, 0, entry.key.length)]!.push(entry)
    return entry
  }

  /** Length and three bytes tell the names of columns apart; names that agree in these share a bucket. */
  private hash(bytes: Uint8Array, start: number, length: number): number {
    if (length === 0) return 0
    const mixed = Math.imul(length, 31) + Math.imul(bytes[start]!, 17) + Math.imul(bytes[start + (length >> 1)]!, 7) + Math.imul(bytes[start + length - 1]!, 131)
    return (mixed ^ (mixed >>> 5)) & this.mask
  }
}
