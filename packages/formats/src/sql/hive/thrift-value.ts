import { badMessage } from './thrift-error.js'
import { ThriftType } from './thrift-types.js'

/** Texts or byte strings: row `i` is `bytes[offsets[i] .. offsets[i + 1]]`. */
export interface ByteRows {
  readonly offsets: Int32Array
  readonly bytes: Uint8Array
}

/** A list whose values have one type: numbers in a typed array (booleans as bytes), texts one after another. */
export interface ThriftList {
  readonly type: number
  readonly values: Uint8Array | Int8Array | Int16Array | Int32Array | BigInt64Array | Float64Array | ByteRows | readonly ThriftValue[]
}

/** A value of Thrift's binary protocol; texts are their bytes. */
export type ThriftValue = boolean | number | bigint | Uint8Array | ThriftStruct | ThriftList | readonly (readonly [ThriftValue, ThriftValue])[]

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** A structure of a message; what is absent, or of another type than was asked for, is an error of the message. */
export class ThriftStruct {
  constructor(private readonly fields: ReadonlyMap<number, ThriftValue>) {}

  has(id: number): boolean {
    return this.fields.has(id)
  }

  /** The only field of a union. */
  only(): number {
    const [id] = this.fields.keys()
    if (id === undefined || this.fields.size !== 1) throw badMessage(`a choice of one has ${this.fields.size} fields`)
    return id
  }

  struct(id: number): ThriftStruct {
    const value = this.fields.get(id)
    if (value instanceof ThriftStruct) return value
    throw this.wrong(id, 'a structure')
  }

  i32(id: number): number {
    const value = this.fields.get(id)
    if (typeof value === 'number') return value
    throw this.wrong(id, 'a number')
  }

  bytes(id: number): Uint8Array {
    const value = this.fields.get(id)
    if (value instanceof Uint8Array) return value
    throw this.wrong(id, 'bytes')
  }

  text(id: number): string {
    return decoder.decode(this.bytes(id))
  }

  optionalText(id: number): string | undefined {
    return this.has(id) ? this.text(id) : undefined
  }

  optionalNumber(id: number): number | undefined {
    return this.has(id) ? this.i32(id) : undefined
  }

  isTrue(id: number): boolean {
    return this.fields.get(id) === true
  }

  list(id: number): ThriftList {
    const value = this.fields.get(id)
    if (value !== undefined && typeof value === 'object' && 'values' in value && 'type' in value) return value
    throw this.wrong(id, 'a list')
  }

  structs(id: number): readonly ThriftStruct[] {
    const { type, values } = this.list(id)
    if (type === ThriftType.struct) return values as readonly ThriftStruct[]
    throw this.wrong(id, 'a list of structures')
  }

  texts(id: number): readonly string[] {
    const { type, values } = this.list(id)
    if (type !== ThriftType.string) throw this.wrong(id, 'a list of texts')
    const { offsets, bytes } = values as ByteRows
    return Array.from({ length: offsets.length - 1 }, (_, i) => decoder.decode(bytes.subarray(offsets[i], offsets[i + 1])))
  }

  /** The entries of a map from texts to structures; of an absent map none. */
  structsByName(id: number): ReadonlyMap<string, ThriftStruct> {
    const value = this.fields.get(id)
    const out = new Map<string, ThriftStruct>()
    if (value === undefined) return out
    if (!Array.isArray(value)) throw this.wrong(id, 'a map')
    for (const [key, entry] of value as readonly (readonly [ThriftValue, ThriftValue])[]) {
      if (!(key instanceof Uint8Array) || !(entry instanceof ThriftStruct)) throw this.wrong(id, 'a map from texts to structures')
      out.set(decoder.decode(key), entry)
    }
    return out
  }

  private wrong(id: number, wanted: string): Error {
    return badMessage(`field ${id} of a structure is ${this.has(id) ? 'not' : 'missing, and should be'} ${wanted}`)
  }
}
