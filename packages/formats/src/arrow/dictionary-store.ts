import type { Numbers, Stored, StoredSlots } from '../values/index.js'
import { ArrowBody, type Dictionaries, type Inflate } from './arrow-body.js'
import { arrowError, type ArrowMessage } from './arrow-messages.js'
import { holdsPlainValues, type ArrowField } from './arrow-type.js'
import type { FlatTable } from './flat-table.js'

/** The dictionaries of a file as its messages bring them, replace them and add to them. */
export class DictionaryStore {
  private readonly held = new Map<bigint, StoredSlots>()
  private readonly fields = new Map<bigint, ArrowField>()

  get values(): Dictionaries {
    return this.held
  }

  /** Takes note of the dictionaries that the columns refer to. */
  know(fields: readonly ArrowField[]): void {
    for (const field of fields) {
      if (field.dictionary !== undefined) this.fields.set(field.dictionary.id, field)
      this.know(field.children)
    }
  }

  async add(message: ArrowMessage, url: string, inflateFor: (batch: FlatTable) => Promise<Inflate | undefined>): Promise<void> {
    try {
      const id = message.header.long(0)
      const field = this.fields.get(id)
      const data = message.header.table(1)
      if (field === undefined || data === undefined) throw new Error(`no column has the dictionary ${id}`)
      // Dictionaries of what no column holds are of no use.
      if (!holdsPlainValues(field)) return
      const stored = new ArrowBody(data, message.body, await inflateFor(data), this.held).column({ ...field, dictionary: undefined })
      if (stored.is !== 'slots') throw new Error('the entries of a dictionary are lists')
      const before = message.header.byte(2) === 0 ? undefined : this.held.get(id)
      this.held.set(id, before === undefined ? stored : joined(before, stored))
    } catch (error) {
      throw arrowError(error, url, 'a dictionary cannot be decoded', { byte: message.byte })
    }
  }
}

const joined = (first: StoredSlots, second: StoredSlots): StoredSlots => {
  if (first.validity !== undefined || second.validity !== undefined) throw new Error('a dictionary that is added to has entries that are null')
  return { slots: first.slots + second.slots, stored: joinedValues(first.stored, second.stored), validity: undefined, indices: undefined }
}

const joinedValues = (first: Stored, second: Stored): Stored => {
  const length = first.length + second.length
  if (first.is === 'bytes' && second.is === 'bytes') {
    const [start, from] = [first.offsets[0]!, second.offsets[0]!]
    const middle = first.offsets[first.length]! - start
    const offsets = new Int32Array(length + 1)
    for (let i = 0; i <= first.length; i++) offsets[i] = first.offsets[i]! - start
    for (let i = 0; i <= second.length; i++) offsets[first.length + i] = second.offsets[i]! - from + middle
    const bytes = Buffer.concat([first.bytes.subarray(start, start + middle), second.bytes.subarray(from, second.offsets[second.length])])
    return { is: 'bytes', length, offsets, bytes }
  }
  if (first.is === 'bits' && second.is === 'bits') return { is: 'bits', length, values: Buffer.concat([first.values, second.values]) }
  if (first.is === 'words' && second.is === 'words') {
    const words = new BigInt64Array(2 * length)
    words.set(first.words)
    words.set(second.words, 2 * first.length)
    return { is: 'words', length, words }
  }
  if (first.is !== 'numbers' || second.is !== 'numbers') throw new Error('a dictionary is added to with other values')
  const values = new (first.values.constructor as new (length: number) => Numbers)(length)
  values.set(first.values as never)
  values.set(second.values as never, first.length)
  return { is: 'numbers', length, values }
}
