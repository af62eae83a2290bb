import { ByteTable, BytesColumn, failure } from '@millrace/core'
import type { DType } from '../../tensor/dtypes.js'
import { numbersOf, sizeOf, stringsOf, type HostTensor } from '../../tensor/host-tensor.js'
import { joinElements, takeElements } from './movement.js'

/** Numbers the distinct keys of a table. */
interface KeyIndex {
  /** The number of each key; one that is new is added where `add`, else it is -1. */
  find(keys: HostTensor, add: boolean): Int32Array
}

/** Strings: a hash table over one byte buffer, no object a key. */
const stringKeys = (): KeyIndex => {
  const table = new ByteTable()
  return {
    find: (keys, add) => {
      const { offsets, bytes, length } = stringsOf(keys, 'a table')
      const out = new Int32Array(length)
      for (let i = 0; i < length; i++) out[i] = add ? table.add(bytes, offsets[i]!, offsets[i + 1]!) : table.find(bytes, offsets[i]!, offsets[i + 1]!)
      return out
    },
  }
}

const numberKeys = (): KeyIndex => {
  const table = new Map<number | bigint, number>()
  return {
    find: (keys, add) => Int32Array.from(numbersOf(keys, 'a table'), (key: number | bigint) => {
      const found = table.get(key)
      if (found !== undefined) return found
      if (!add) return -1
      table.set(key, table.size)
      return table.size - 1
    }),
  }
}

/** A lookup table of the graph (`HashTableV2`, `MutableHashTableV2`): filled once at load, then only read. */
export class LookupTable implements HostTensor {
  /** Tables travel between ops as resources do. */
  readonly dtype = 'resource'
  readonly shape: readonly number[] = []
  readonly data = new Uint8Array()
  private readonly index: KeyIndex
  private values: HostTensor | undefined
  /** Set by the first insertion: until then, a lookup means that the model was not initialised. */
  private filled = false

  constructor(
    readonly name: string,
    readonly keyDtype: DType,
    readonly valueDtype: DType,
    /** Mutable tables may be empty, and a later value replaces an earlier one. */
    private readonly mutable: boolean,
  ) {
    this.index = keyDtype === 'string' ? stringKeys() : numberKeys()
    this.filled = mutable
  }

  /** Number of keys. */
  get size(): number {
    return this.values === undefined ? 0 : sizeOf(this.values.shape)
  }

  private wrong(problem: string): Error {
    return failure({ tag: 'Model', code: 'TABLE', problem: `the table ${this.name} ${problem}` })
  }

  private check(keys: HostTensor, values: HostTensor): void {
    if (keys.dtype !== this.keyDtype || values.dtype !== this.valueDtype) {
      throw this.wrong(`maps ${this.keyDtype} to ${this.valueDtype}, not ${keys.dtype} to ${values.dtype}`)
    }
  }

  /** Adds entries. @throws `Model` for a key that has another value already */
  insert(keys: HostTensor, values: HostTensor): void {
    this.check(keys, values)
    if (sizeOf(keys.shape) !== sizeOf(values.shape)) throw this.wrong(`gets ${sizeOf(keys.shape)} keys and ${sizeOf(values.shape)} values`)
    this.filled = true
    const before = this.size
    const entries = this.index.find(keys, true)
    // Position, among old and new values, of each entry's own.
    const owners = new Int32Array(before + entries.length).fill(-1)
    for (let i = 0; i < before; i++) owners[i] = i
    let size = before
    const all = this.values === undefined ? values : joinElements([this.values, values])
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!
      size = Math.max(size, entry + 1)
      if (owners[entry]! < 0 || this.mutable) owners[entry] = before + i
      else if (!sameElement(all, owners[entry]!, before + i)) throw this.wrong(`gets two values for one key, at entry ${i}`)
    }
    this.values = takeElements(all, owners.subarray(0, size), [size])
  }

  /** The values of keys, `fallback` (a scalar) for those that are not in the table. */
  find(keys: HostTensor, fallback: HostTensor): HostTensor {
    this.check(keys, fallback)
    if (!this.filled) throw this.wrong('was never initialised: the model has no op that fills it')
    const entries = this.index.find(keys, false)
    const size = this.size
    for (let i = 0; i < entries.length; i++) if (entries[i]! < 0) entries[i] = size
    return takeElements(this.values === undefined ? fallback : joinElements([this.values, fallback]), entries, keys.shape)
  }
}

const sameElement = (tensor: HostTensor, a: number, b: number): boolean => {
  if (!(tensor.data instanceof BytesColumn)) return tensor.data[a] === tensor.data[b]
  const [x, y] = [tensor.data.get(a) as Uint8Array, tensor.data.get(b) as Uint8Array]
  return x.length === y.length && x.every((byte, i) => byte === y[i])
}
