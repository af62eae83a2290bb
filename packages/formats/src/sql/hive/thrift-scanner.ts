import { badMessage } from './thrift-error.js'
import { fixedBytes, leastBytes, MAX_DEPTH, THRIFT_VERSION, ThriftType } from './thrift-types.js'

/** What a scan is within: a structure, or values that are still to come, of one type or of two in turn. */
interface Level {
  readonly types: readonly number[] | undefined
  left: number
}

/**
 * Finds where a message ends that nothing frames, while its bytes arrive: no byte is looked at twice.
 *
 * Give it all bytes of the message so far, as often as there are more.
 */
export class ThriftScanner {
  private at = 0
  private headed = false
  private readonly levels: Level[] = []

  /** The length of the message; `undefined` while its end is not there. @throws `Corrupt` */
  scan(bytes: Buffer): number | undefined {
    if (!this.headed && !this.head(bytes)) return undefined
    while (this.levels.length > 0) if (!this.step(bytes)) return undefined
    return this.at <= bytes.length ? this.at : undefined
  }

  private head(bytes: Buffer): boolean {
    if (bytes.length < 8) return false
    if (bytes.readUInt16BE(0) !== THRIFT_VERSION >>> 16) throw badMessage('it begins with another protocol', 0)
    const name = bytes.readInt32BE(4)
    if (name < 0 || name > 256) throw badMessage(`its method's name has ${name} bytes`, 4)
    this.at = 12 + name
    this.headed = true
    this.levels.push({ types: undefined, left: 0 })
    return true
  }

  /** Passes one field, or one value. False where its bytes are not there yet. */
  private step(bytes: Buffer): boolean {
    const level = this.levels[this.levels.length - 1]!
    if (level.types !== undefined) {
      if (level.left === 0) {
        this.levels.pop()
        return true
      }
      if (!this.value(bytes, this.at, level.types[level.left % level.types.length]!)) return false
      level.left--
      return true
    }
    if (this.at >= bytes.length) return false
    const type = bytes[this.at]!
    if (type !== ThriftType.stop) return this.value(bytes, this.at + 3, type)
    this.at++
    this.levels.pop()
    return true
  }

  private value(bytes: Buffer, start: number, type: number): boolean {
    const fixed = fixedBytes[type]
    if (fixed !== undefined) return this.pass(start + fixed)
    switch (type) {
      case ThriftType.string: {
        if (start + 4 > bytes.length) return false
        return this.pass(start + 4 + this.size(bytes, start))
      }
      case ThriftType.struct:
        this.enter({ types: undefined, left: 0 })
        return this.pass(start)
      case ThriftType.list:
      case ThriftType.set: {
        if (start + 5 > bytes.length) return false
        const item = bytes[start]!
        const size = this.size(bytes, start + 1)
        const itemBytes = fixedBytes[item]
        if (itemBytes !== undefined) return this.pass(start + 5 + size * itemBytes)
        this.enter({ types: [item], left: size })
        return this.pass(start + 5)
      }
      case ThriftType.map: {
        if (start + 6 > bytes.length) return false
        // Counted down from an even number: the keys' turns are the even ones.
        this.enter({ types: [bytes[start]!, bytes[start + 1]!], left: 2 * this.size(bytes, start + 2) })
        return this.pass(start + 6)
      }
      default:
        throw badMessage(`type ${type} is unknown`, start)
    }
  }

  private size(bytes: Buffer, at: number): number {
    const size = bytes.readInt32BE(at)
    if (size < 0) throw badMessage(`something in it claims a size of ${size}`, at)
    return size
  }

  private enter(level: Level): void {
    if (this.levels.length > MAX_DEPTH) throw badMessage('its structures are nested too deep', this.at)
    if (level.types?.some((type) => leastBytes[type] === undefined) === true && level.left > 0) throw badMessage('it has a value of unknown type', this.at)
    this.levels.push(level)
  }

  private pass(to: number): boolean {
    this.at = to
    return true
  }
}
