import { bitmapBytes, failure, getBit, setBit, type MillraceError } from '@millrace/core'
import type { Stored, StoredSlots } from '../values/index.js'

/** A column of a record batch as it is stored: slots, lists of them, or the fields of structs, those that are needed, which are null where their struct is. */
export type ArrowStored =
  | ({ readonly is: 'slots' } & StoredSlots)
  | { readonly is: 'lists'; readonly slots: number; readonly offsets: Int32Array; readonly validity: Uint8Array | undefined; readonly items: ArrowStored }
  | { readonly is: 'struct'; readonly slots: number; readonly children: readonly (ArrowStored | undefined)[] }

/** Texts of views may share bytes, which become each text's own. */
export const MAX_VIEW_BYTES = 2 ** 30
/** Views of lists may share items, which become each list's own. */
export const MAX_VIEW_ITEMS = 1 << 26

/** The error for a column that no batch of ours could hold. */
export const tooLarge = (problem: string, remedy: string): MillraceError => failure({ tag: 'Limit', code: 'COLUMN_TOO_LARGE', problem: `a column of one record batch holds ${problem}`, remedy: `Write smaller record batches: ${remedy}.` })

/** The error for lists that share items, where each is to have its own. */
export const tooManyItems = (): MillraceError => tooLarge(`more than ${MAX_VIEW_ITEMS} items that its lists share`, 'so many is the most')

/** The bits that both bitmaps have. */
export const both = (a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined => (a === undefined ? b : b === undefined ? a : a.map((byte, i) => byte & b[i]!))

/** Slots that are null also where a struct around them is. */
export const masked = (stored: ArrowStored, above: Uint8Array | undefined): ArrowStored => {
  if (above === undefined) return stored
  if (stored.is !== 'struct') return { ...stored, validity: both(stored.validity, above) }
  return { ...stored, children: stored.children.map((child) => child && masked(child, above)) }
}

const picked = (validity: Uint8Array | undefined, picks: Int32Array): Uint8Array | undefined => {
  if (validity === undefined) return undefined
  const bits = new Uint8Array(bitmapBytes(picks.length))
  for (let i = 0; i < picks.length; i++) if (getBit(validity, picks[i]!)) setBit(bits, i)
  return bits
}

/** Slots by their index, which has to be there, any number of times. @throws an error for texts and lists that become too large so */
export const gather = (stored: ArrowStored, picks: Int32Array): ArrowStored => {
  if (stored.is === 'struct') return { ...stored, slots: picks.length, children: stored.children.map((child) => child && gather(child, picks)) }
  const validity = picked(stored.validity, picks)
  if (stored.is === 'slots') return { is: 'slots', slots: picks.length, validity, ...gatherValues(stored, picks) }
  const offsets = new Int32Array(picks.length + 1)
  for (const [i, pick] of picks.entries()) {
    const end = offsets[i]! + stored.offsets[pick + 1]! - stored.offsets[pick]!
    if (end > MAX_VIEW_ITEMS) throw tooManyItems()
    offsets[i + 1] = end
  }
  const items = new Int32Array(offsets[picks.length]!)
  for (const [i, pick] of picks.entries()) for (let at = offsets[i]!, item = stored.offsets[pick]!; at < offsets[i + 1]!; at++, item++) items[at] = item
  return { is: 'lists', slots: picks.length, offsets, validity, items: gather(stored.items, items) }
}

/** The values stay where they are, as those of a dictionary. */
const gatherValues = ({ stored, indices }: StoredSlots, picks: Int32Array): Pick<StoredSlots, 'stored' | 'indices'> => {
  if (stored.is === 'bits' && indices === undefined) return { stored: { is: 'bits', length: picks.length, values: Uint8Array.from(picks, (pick) => stored.values[pick]!) }, indices }
  const entries = indices === undefined ? picks : picks.map((pick) => indices[pick]!)
  if (stored.is === 'bytes') {
    let bytes = 0
    for (const entry of entries) bytes += stored.offsets[entry + 1]! - stored.offsets[entry]!
    if (bytes > MAX_VIEW_BYTES) throw tooLarge(`${bytes} bytes of texts that its rows share`, `they may be ${MAX_VIEW_BYTES}`)
  }
  return { stored, indices: entries }
}

/** A bitmap of so many slots, none of them null. */
export const allOnes = (length: number): Uint8Array => {
  const bits = new Uint8Array(bitmapBytes(length))
  for (let slot = 0; slot < length; slot++) setBit(bits, slot)
  return bits
}

/** Values, each in a slot of its own. */
export const slots = (length: number, validity: Uint8Array | undefined, stored: Stored): ArrowStored => ({ is: 'slots', slots: length, stored, validity, indices: undefined })
