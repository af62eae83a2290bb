import { failure, type MillraceError } from '@millrace/core'

/** Wire types of the Protocol Buffers encoding. */
export const WIRE_VARINT = 0
export const WIRE_FIXED64 = 1
export const WIRE_BYTES = 2
const WIRE_GROUP = 3
const WIRE_GROUP_END = 4
export const WIRE_FIXED32 = 5

/** Deepest nesting of groups, the limit of Google's own parsers. Groups are obsolete, and here always unknown fields. */
const MAX_GROUPS = 100

/** Code of {@link malformed}. */
export const MALFORMED = 'EXAMPLE_MALFORMED'

/** An error for bytes that are no Protocol Buffers message. */
export const malformed = (problem: string): MillraceError =>
  failure({
    tag: 'BadRecord',
    code: MALFORMED,
    problem: `the record is not a tf.train.Example: ${problem}`,
    remedy: 'Check that the file holds serialized tf.train.Example messages.',
  })

/**
 * Reads Protocol Buffers encoding with every bound checked. Nothing here trusts the bytes: a length past `limit`, a varint that
 * does not end, a field number of 0 all throw.
 */
export class WireReader {
  at = 0
  /** Where the key lies that `findKey` found last. */
  keyStart = 0
  keyEnd = 0

  constructor(
    public bytes: Uint8Array,
    public limit: number = bytes.length,
  ) {}

  /** A varint that should be an unsigned 32-bit number: a tag or a length. */
  word(): number {
    const { bytes, limit } = this
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.at >= limit) throw malformed('a number is cut short')
      const byte = bytes[this.at++]!
      // In integer arithmetic: a length that might be a fraction would slow down every loop over the bytes that it measures.
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
    if (this.at >= limit) throw malformed('a number is cut short')
    const last = bytes[this.at++]!
    if (last > 15) throw malformed('a tag or length is too large')
    return value + last * 0x10000000
  }

  /** A tag: field number times 8 plus wire type. */
  tag(): number {
    const tag = this.word()
    if (tag < 8) throw malformed('a field has the number 0')
    return tag
  }

  /** The length of what follows; the byte after it lies within the limit. */
  size(): number {
    const size = this.word()
    if (size > this.limit - this.at) throw malformed(`a length of ${size} bytes points past the end`)
    return size
  }

  /** Reads the length of what follows; returns the offset after it. */
  end(): number {
    const size = this.size()
    return this.at + size
  }

  /** Reads a map entry, `at` to `limit`, for its key, field 1: of several the last counts, and where there is none it is empty. */
  findKey(): void {
    this.keyStart = this.keyEnd = this.at
    while (this.at < this.limit) {
      const tag = this.tag()
      if (tag !== 10) {
        this.skip(tag)
        continue
      }
      const size = this.size()
      this.keyStart = this.at
      this.keyEnd = this.at += size
    }
  }

  /** Steps over the value of a field whose tag was read. */
  skip(tag: number): void {
    const groups: number[] = []
    for (let current = tag; ; current = this.tag()) {
      const wire = current & 7
      const number = current >>> 3
      if (wire === WIRE_VARINT) this.skipVarint()
      else if (wire === WIRE_FIXED64) this.advance(8)
      else if (wire === WIRE_BYTES) this.advance(this.size())
      else if (wire === WIRE_FIXED32) this.advance(4)
      else if (wire === WIRE_GROUP) {
        if (groups.length === MAX_GROUPS) throw malformed('groups are nested too deep')
        groups.push(number)
      } else if (wire === WIRE_GROUP_END) {
        if (groups.pop() !== number) throw malformed('a group ends that was not begun')
      } else throw malformed(`there is no wire type ${wire}`)
      if (groups.length === 0) return
    }
  }

  private advance(count: number): void {
    if (count > this.limit - this.at) throw malformed('a value is cut short')
    this.at += count
  }

  private skipVarint(): void {
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.limit) throw malformed('a number is cut short')
      if (this.bytes[this.at++]! < 128) return
    }
    throw malformed('a number takes more than 10 bytes')
  }
}
