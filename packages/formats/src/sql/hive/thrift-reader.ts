import { failure } from '@millrace/core'
import { badMessage } from './thrift-error.js'
import { ThriftStruct, type ByteRows, type ThriftList, type ThriftValue } from './thrift-value.js'
import { fixedBytes, leastBytes, MAX_DEPTH, MAX_NODES, THRIFT_VERSION, ThriftMessage, ThriftType } from './thrift-types.js'

/** Numbers of eight, four or two bytes in the machine's order: Thrift's is the other one. */
const swapped = (bytes: Uint8Array, size: number): ArrayBuffer => {
  const copy = Buffer.from(new ArrayBuffer(bytes.length))
  copy.set(bytes)
  if (size === 2) copy.swap16()
  else if (size === 4) copy.swap32()
  else copy.swap64()
  return copy.buffer as ArrayBuffer
}

/** Reads one message of Thrift's binary protocol; lengths are checked before anything is made of them. */
class ThriftReader {
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private at = 0
  private nodes = 0

  constructor(given: Uint8Array) {
    // A Buffer's slice is no copy.
    this.bytes = new Uint8Array(given.buffer, given.byteOffset, given.byteLength)
    const { bytes } = this
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** The next `count` bytes' place. */
  skip(count: number): number {
    const start = this.at
    if (count > this.bytes.length - start) throw badMessage('it ends early', this.bytes.length)
    this.at = start + count
    return start
  }

  i32(): number {
    return this.view.getInt32(this.skip(4))
  }

  size(least: number): number {
    const size = this.i32()
    if (size < 0 || size * least > this.bytes.length - this.at) throw badMessage(`something in it claims a size of ${size}`, this.at - 4)
    return size
  }

  binary(): Uint8Array {
    const size = this.size(1)
    const start = this.skip(size)
    return this.bytes.subarray(start, start + size)
  }

  struct(depth: number): ThriftStruct {
    this.node(depth)
    const fields = new Map<number, ThriftValue>()
    for (;;) {
      const type = this.view.getUint8(this.skip(1))
      if (type === ThriftType.stop) return new ThriftStruct(fields)
      const id = this.view.getInt16(this.skip(2))
      fields.set(id, this.value(type, depth + 1))
    }
  }

  end(): void {
    if (this.at !== this.bytes.length) throw badMessage('bytes follow its end', this.at)
  }

  private node(depth: number): void {
    if (depth > MAX_DEPTH) throw badMessage('its structures are nested too deep', this.at)
    if (++this.nodes > MAX_NODES) throw badMessage(`it has more than ${MAX_NODES} structures`, this.at)
  }

  private value(type: number, depth: number): ThriftValue {
    switch (type) {
      case ThriftType.bool:
        return this.view.getUint8(this.skip(1)) !== 0
      case ThriftType.byte:
        return this.view.getInt8(this.skip(1))
      case ThriftType.double:
        return this.view.getFloat64(this.skip(8))
      case ThriftType.i16:
        return this.view.getInt16(this.skip(2))
      case ThriftType.i32:
        return this.i32()
      case ThriftType.i64:
        return this.view.getBigInt64(this.skip(8))
      case ThriftType.string:
        return this.binary()
      case ThriftType.struct:
        return this.struct(depth)
      case ThriftType.map:
        return this.map(depth)
      case ThriftType.set:
      case ThriftType.list:
        return this.list(depth)
      default:
        throw badMessage(`type ${type} is unknown`, this.at)
    }
  }

  private map(depth: number): readonly (readonly [ThriftValue, ThriftValue])[] {
    this.node(depth)
    const start = this.skip(2)
    const [key, value] = [this.bytes[start]!, this.bytes[start + 1]!]
    const size = this.size((leastBytes[key] ?? 1) + (leastBytes[value] ?? 1))
    const entries: (readonly [ThriftValue, ThriftValue])[] = []
    for (let i = 0; i < size; i++) {
      this.node(depth)
      entries.push([this.value(key, depth + 1), this.value(value, depth + 1)])
    }
    return entries
  }

  private list(depth: number): ThriftList {
    this.node(depth)
    const type = this.view.getUint8(this.skip(1))
    const least = leastBytes[type]
    if (least === undefined) throw badMessage(`type ${type} is unknown`, this.at)
    const size = this.size(least)
    if (fixedBytes[type] !== undefined) return { type, values: this.numbers(type, size * least) }
    if (type === ThriftType.string) return { type, values: this.byteRows(size) }
    const values: ThriftValue[] = []
    for (let i = 0; i < size; i++) values.push(this.value(type, depth + 1))
    return { type, values }
  }

  private numbers(type: number, length: number): ThriftList['values'] {
    const start = this.skip(length)
    const bytes = this.bytes.subarray(start, start + length)
    switch (type) {
      case ThriftType.bool:
        return bytes.slice()
      case ThriftType.byte:
        return new Int8Array(bytes.slice().buffer)
      case ThriftType.i16:
        return new Int16Array(swapped(bytes, 2))
      case ThriftType.i32:
        return new Int32Array(swapped(bytes, 4))
      case ThriftType.i64:
        return new BigInt64Array(swapped(bytes, 8))
      default:
        return new Float64Array(swapped(bytes, 8))
    }
  }

  /** Texts and byte strings one after another, as columns keep them. */
  private byteRows(size: number): ByteRows {
    const { bytes, view } = this
    const from = this.at
    for (let i = 0; i < size; i++) this.skip(this.size(1))
    const data = new Uint8Array(this.at - from - 4 * size)
    const offsets = new Int32Array(size + 1)
    let to = 0
    for (let i = 0, start = from; i < size; i++) {
      const length = view.getInt32(start)
      start += 4
      // A call costs more than the copying of a short one.
      if (length > 48) data.set(bytes.subarray(start, start + length), to)
      else for (let k = 0; k < length; k++) data[to + k] = bytes[start + k]!
      start += length
      to += length
      offsets[i + 1] = to
    }
    return { offsets, bytes: data }
  }
}

/**
 * The result of a call, out of the server's answer.
 *
 * @throws `Corrupt` for bytes that are no answer to this call, `Engine` where the server could not take the call
 */
export const decodeReply = (bytes: Uint8Array, method: string, sequence: number): ThriftStruct => {
  const reader = new ThriftReader(bytes)
  const head = reader.i32() >>> 0
  if (head >>> 16 !== THRIFT_VERSION >>> 16) throw badMessage('it begins with another protocol', 0)
  const name = Buffer.from(reader.binary()).toString('utf8')
  const answers = reader.i32()
  const body = reader.struct(0)
  reader.end()
  if ((head & 0xff) === ThriftMessage.exception) throw refusedCall(method, body)
  if ((head & 0xff) !== ThriftMessage.reply || name !== method || answers !== sequence) throw badMessage(`it does not answer ${method}`, 0)
  return body.struct(0)
}

const refusedCall = (method: string, body: ThriftStruct): Error =>
  failure({
    tag: 'Engine', code: 'HIVE_CALL_REFUSED', problem: `the server did not take the call ${method}: ${body.optionalText(1) ?? 'it does not say why'}`,
    remedy: 'The words are the server\'s; its log says more.',
  })
